"""All that a training needs to go on as if nothing had happened, in one file. Knows no model and no task.

Tensors and JSON in safetensors, put in place by rename: a reader finds the last whole checkpoint, however the writer
ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

Weights = dict[str, Tensor]


def save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    *,
    kept: Weights,
    meta: Mapping[str, Any],
) -> None:
    """Write the moment after an epoch: weights, the best ones so far (`kept`), what the optimiser remembers, where the
    random numbers are, and `meta` (JSON)."""
    tensors = {**_named("model", model.state_dict()), **_named("kept", kept), **_draws(_device(model))}
    settings: dict[str, dict[str, Any]] = {}
    for number, remembered in optimizer.state_dict()["state"].items():
        for key, value in remembered.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{key}"] = value
            else:
                settings.setdefault(str(number), {})[key] = value
    told = {"meta": meta, "optimizer": settings, "rng": rng.bit_generator.state}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    # Copies, because tied weights share their memory, which safetensors refuses.
    apart = {key: tensor.detach().cpu().clone().contiguous() for key, tensor in tensors.items()}
    save_file(apart, temporary, metadata={"told": json.dumps(told)})
    os.replace(temporary, path)


def load(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, rng: np.random.Generator
) -> tuple[Weights, dict[str, Any]] | None:
    """Put everything back as it was when `save` was called; `kept` and `meta` of then. None, with nothing changed,
    where there is no such file or it cannot be read: then the training starts at its beginning."""
    try:
        with safe_open(path, "pt") as file:
            told = json.loads(file.metadata()["told"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError):
        return None
    device = _device(model)
    model.load_state_dict(_under("model", tensors))
    state: dict[int, dict[str, Any]] = {int(number): dict(found) for number, found in told["optimizer"].items()}
    for name, tensor in _under("optimizer", tensors).items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["draws.cpu"])
    if device.type != "cpu":
        getattr(torch, device.type).set_rng_state(tensors[f"draws.{device.type}"])
    rng.bit_generator.state = told["rng"]
    return {name: tensor.to(device) for name, tensor in _under("kept", tensors).items()}, told["meta"]


def _draws(device: torch.device) -> Weights:
    """Where torch's random numbers are, on the processor and on the device."""
    draws = {"draws.cpu": torch.get_rng_state()}
    if device.type != "cpu":
        draws[f"draws.{device.type}"] = getattr(torch, device.type).get_rng_state()
    return draws


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    start = f"{prefix}."
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}
