"""A pretrained stack of layers, cut in two: the lower half encodes once and for all, the upper half goes on learning.

Knows no modality; speaks of torch modules and is imported where something is encoded or trained. It takes any module
with one list of alike layers, one after the other, and whoever uses it checks that both halves together say what the
whole said (`agree`).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from consilience.core.batch import Tokens
from consilience.core.errors import UserError
from consilience.core.masks import masked


def stack_of(module: nn.Module, cut: int) -> tuple[nn.Module, str, nn.ModuleList]:
    """(owner, name in it, the longest list of layers). Raises UserError where there are not more than `cut`."""
    lists = [
        (n, m) for n, m in module.named_modules() if isinstance(m, nn.ModuleList) and len({type(x) for x in m}) == 1
    ]
    name, layers = max(lists, key=lambda pair: len(pair[1]), default=("", nn.ModuleList()))
    if len(layers) <= cut:
        raise UserError(
            f"{type(module).__name__} has no list of more than {cut} alike layers, so {cut} cannot be unfrozen; lower "
            "pretrained.unfreeze"
        )
    owner, _, attribute = name.rpartition(".")
    return module.get_submodule(owner), attribute, layers


def lower(module: nn.Module, cut: int) -> nn.Module:
    """The module without its last `cut` layers, changed in place; `entered(module)` is then what would enter them."""
    owner, name, layers = stack_of(module, cut)
    kept = layers[: len(layers) - cut]
    setattr(owner, name, kept)

    def keep(_: nn.Module, __: Any, out: Any) -> None:
        module._entered = out if isinstance(out, Tensor) else out[0]

    kept[-1].register_forward_hook(keep)
    return module


def entered(module: nn.Module) -> Any:
    """What came out of the last layer in the call before."""
    found = module._entered
    del module._entered
    return found


class Upper(nn.Module):
    """The last `cut` layers and what comes after them, as an encoder of tokens; the module is changed in place."""

    def __init__(self, module: nn.Module, cut: int, *, width: int, feed: str, masks: bool) -> None:
        """`feed`: the argument of `forward` that takes vectors once there are no embeddings; `masks`: it takes an
        attention mask beside them."""
        super().__init__()
        owner, name, layers = stack_of(module, cut)
        setattr(owner, name, layers[len(layers) - cut :])
        module.embeddings = _Through(feed)
        if isinstance(getattr(module, "pooler", None), nn.Module):
            module.register_module("pooler", None)
        self.module, self.width, self.feed, self.masks = module, width, feed, masks

    def forward(self, tokens: Tokens) -> Tokens:
        values = masked(tokens.values, tokens.mask)
        given = {self.feed: values}
        if self.masks:
            first = torch.arange(tokens.mask.shape[1], device=values.device) == 0  # attention to nothing would be NaN
            given["attention_mask"] = (tokens.mask | first).long()
        out = self.module(**given).last_hidden_state
        return Tokens(values=masked(out, tokens.mask), mask=tokens.mask)


class _Through(nn.Module):
    """In the place of embeddings: what was fed comes out."""

    def __init__(self, feed: str) -> None:
        super().__init__()
        self.feed = feed
        # Some models look here for the type that their input should have.
        self.patch_embeddings = SimpleNamespace(projection=SimpleNamespace(weight=torch.zeros(0)))

    def forward(self, *given: Any, **named: Any) -> Any:
        return named.get(self.feed, given[0] if given else None)


def agree(whole: Tokens, halves: Tokens, *, name: str) -> None:
    """Raises UserError where the halves say something else than the whole."""
    same = whole.values.shape == halves.values.shape
    if not same or not torch.allclose(masked(whole.values, whole.mask), halves.values, atol=1e-3, rtol=1e-3):
        raise UserError(
            f"backbone {name}: its last layers cannot be taken off and put on again, so they cannot be unfrozen; use "
            "it frozen (pretrained.unfreeze = 0)"
        )
