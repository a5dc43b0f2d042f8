"""What every listed part is put to: its parameters train, it learns what can be learned and nothing from shuffled
labels, and every key of its config does something. Knows no part: it is given a way to build one and to look at it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Traits = list[Any]
"""All that can be seen of a part: arrays, numbers, strings. Equal traits: the same behaviour."""


class Other:
    """Another value for a key; `given`: what else must be set, on both sides, for the key to matter."""

    def __init__(self, value: Any, **given: Any) -> None:
        self.value, self.given = value, given


def idle_keys(
    config: type, others: Mapping[str, Any], look: Callable[[Any], Traits], base: Mapping[str, Any] | None = None
) -> list[str]:
    """Keys of `config` that may be changed without anything changing in what `look` sees.

    `others`: another value (or an `Other`) for every key, as many as there are: a key without one fails, because nobody
    has looked at it.
    """
    keys = {field.name for field in dataclasses.fields(config)}
    assert keys == set(others), f"no other value for {sorted(keys - set(others))}, no key {sorted(set(others) - keys)}"
    idle, usual = [], list(look(config(**(base or {})))) if others else []
    for key, entry in others.items():
        other = entry if isinstance(entry, Other) else Other(entry)
        given = {**(base or {}), **other.given}
        plain = list(look(config(**given))) if other.given else usual
        if same(plain, look(config(**{**given, key: other.value}))):
            idle.append(key)
    return idle


def same(one: Iterable[Any], two: Iterable[Any]) -> bool:
    one, two = list(one), list(two)
    return len(one) == len(two) and all(_equal(a, b) for a, b in zip(one, two, strict=True))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return bool(type(a) is type(b) and a == b)


def traits(module: nn.Module, say: Callable[[], Tensor]) -> Traits:
    """Names and shapes of the weights, and what the module says when used and when trained."""
    shapes = sorted((name, tuple(tensor.shape)) for name, tensor in module.state_dict().items())
    seen: Traits = [shapes]
    with torch.no_grad():
        for training in (False, True):
            torch.manual_seed(1)
            module.train(training)
            seen.append(say().detach().numpy())
    return seen


def idle_parameters(module: nn.Module, say: Callable[[], Tensor]) -> list[str]:
    """Parameters that a few steps of training leave without a gradient or where they were."""
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    pulled = dict.fromkeys(before, False)
    module.train()
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-2) if before else None
    for _ in range(3):
        module.zero_grad()
        said = say()
        (said * torch.randn_like(said)).sum().backward() if before else None
        for name, parameter in module.named_parameters():
            pulled[name] |= parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        if optimizer is not None:
            optimizer.step()
    return [n for n, p in module.named_parameters() if not pulled[n] or torch.equal(before[n], p)]


def quality(
    build: Callable[[], nn.Module],
    say: Callable[[nn.Module, Any], Tensor],
    known: tuple[Any, Tensor],
    fresh: tuple[Any, Tensor],
    *,
    steps: int = 40,
    lr: float = 5e-3,
) -> float:
    """Accuracy on fresh examples (two classes) of a part that was trained on known ones, a linear layer behind it.

    `say`: (module, examples) -> vectors [N, D].
    """
    torch.manual_seed(0)
    module = build().train()
    with torch.no_grad():
        width = say(module, known[0]).shape[1]
    head = nn.Linear(width, 2)
    optimizer = torch.optim.Adam([*module.parameters(), *head.parameters()], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(say(module, known[0])), known[1]).backward()
        optimizer.step()
    module.eval()
    with torch.no_grad():
        return float((head(say(module, fresh[0])).argmax(1) == fresh[1]).float().mean())


def halved(labels: Tensor) -> Tensor:
    """Labels (0, 1) shuffled so that they say nothing at all: half of each class is turned round."""
    out = labels.clone()
    for label in (0, 1):
        rows = torch.nonzero(labels == label)[:, 0]
        out[rows[::2]] = 1 - label
    return out
