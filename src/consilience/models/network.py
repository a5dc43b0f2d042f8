"""A trained network as a member of the leaderboard: builds it, runs it over many rows, keeps it as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch.nn.functional import pad

from consilience.core import memory
from consilience.core.batch import Batch, Tokens
from consilience.core.config import Part, decode, decode_part, encode
from consilience.core.errors import ConfigError
from consilience.core.registry import Family
from consilience.core.state import State
from consilience.core.threads import sensible
from consilience.modalities import MODALITIES, frozen
from consilience.models.base import Member
from consilience.models.config import DeepConfig
from consilience.models.fused import FusedModel
from consilience.models.view import View
from consilience.tasks.base import Task

Carrier = TypeVar("Carrier", Tokens, Batch)

_ROWS = 8_192
"""Rows answered at once."""
_CELLS = 256
"""Cells encoded at once."""


class Network(Member):
    kind = "network"

    def __init__(self, model: FusedModel, task: Task, *, config: DeepConfig, built_from: Mapping[str, Any]) -> None:
        """`built_from`: by input name {"modality", "shape"}."""
        self.model, self.task, self.config, self.built_from = model, task, config, dict(built_from)
        self.inputs = model.names

    def predict(self, view: View) -> np.ndarray:
        return self.task.activate(self.scores(view))

    def scores(self, view: View) -> np.ndarray:
        """Raw scores of the head [N, score_width] float32. Each distinct cell is encoded once in a stretch of rows."""
        self.model.eval()
        threads = torch.get_num_threads()
        torch.set_num_threads(sensible())  # as in training: another number could round another way
        out = [np.zeros((0, self.task.score_width), np.float32)]
        with torch.inference_mode(), memory.reused(when=len(view) > _CELLS):
            for start in range(0, len(view), _ROWS):
                out.append(self._stretch(view, np.arange(start, min(start + _ROWS, len(view)))))
        torch.set_num_threads(threads)
        return np.concatenate(out)

    def _stretch(self, view: View, rows: np.ndarray) -> np.ndarray:
        device = next(self.model.parameters()).device
        cells, index = {}, {}
        for name in self.inputs:
            distinct, place = np.unique(view.index[name][rows], return_inverse=True)
            chunks = [distinct[start : start + _CELLS] for start in range(0, len(distinct), _CELLS)]
            source = view.sources[name]
            cells[name] = _join([self.model.encode(name, to_device(source.tokens(chunk), device)) for chunk in chunks])
            index[name] = torch.from_numpy(place).to(device)
        scores: np.ndarray = self.model.answer(cells, index).values["scores"].float().cpu().numpy()
        return scores

    def unfreeze(self, name: str, weights: Mapping[str, torch.Tensor], *, pace: float) -> None:
        """Give the encoder of an input pretrained weights, which learn `pace` times as fast as everything else."""
        encoder = self.model.encoders[self.model.names.index(name)]
        encoder.load_state_dict(dict(weights))
        for parameter in encoder.parameters():
            parameter.pace = pace  # type: ignore[attr-defined]

    def state(self) -> State:
        """Without the heads that only training uses."""
        tensors = self.model.state_dict().items()
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors if not name.startswith("alone.")}
        config = replace(self.config, auxiliary=0.0)
        return State(arrays=arrays, meta={"config": encode(config), "inputs": self.built_from})

    @classmethod
    def restore(cls, state: State, task: Task) -> Network:
        network = build(decode(DeepConfig, state.meta["config"]), state.meta["inputs"], task)
        network.model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in state.arrays.items()})
        network.model.eval()
        return network


def to_device(carrier: Carrier, device: torch.device) -> Carrier:
    """Tokens or a Batch of NumPy arrays -> of tensors on the device."""
    return carrier.map(lambda array: torch.from_numpy(array).to(device))


def _join(parts: Sequence[Tokens]) -> Tokens:
    """Cells of several calls as one, padded to the longest."""
    if len(parts) == 1:
        return parts[0]
    longest = max(part.mask.shape[1] for part in parts)

    def lengthen(tensor: torch.Tensor) -> torch.Tensor:
        return pad(tensor, (0, 0) * (tensor.ndim - 2) + (0, longest - tensor.shape[1]))

    padded = [part.map(lengthen) for part in parts]
    return Tokens(values=torch.cat([p.values for p in padded]), mask=torch.cat([p.mask for p in padded]))


def build(config: DeepConfig, inputs: Mapping[str, Any], task: Task) -> Network:
    """A network with fresh weights. `inputs`: by input name {"modality": its name, "shape": Processor.shape()}, and
    "frozen": true of one whose cells are vectors of a backbone; "upper" where its last layers are the encoder.

    Every encoder of `config.encoders` must name an input; inputs it leaves out get their modality's default.
    """
    problems = [f"deep.encoders.{name}: there is no such input" for name in config.encoders if name not in inputs]
    chosen: dict[str, Part] = {}
    encoders = {}
    for name, given in sorted(inputs.items()):
        if "upper" in given:
            encoders[name] = _upper(given)
            continue
        family, default = _encoders(given)
        encoder = decode_part(config.encoders.get(name, default), f"deep.encoders.{name}", problems, family)
        if encoder is not None:
            chosen[name] = encoder
    if problems:
        raise ConfigError(problems)
    for name, encoder in chosen.items():
        encoders[name] = _encoders(inputs[name])[0].load(encoder.kind)(encoder.config, inputs[name]["shape"])
    full = DeepConfig(
        fusion=config.fusion,
        width=config.width,
        dropout=config.dropout,
        auxiliary=config.auxiliary,
        encoders={name: encode(encoder) for name, encoder in chosen.items()},
    )
    return Network(FusedModel(full, encoders, task.score_width), task, config=full, built_from=inputs)


def _upper(given: Mapping[str, Any]) -> Any:
    """The last layers of a backbone as an encoder, with fresh weights."""
    made_of = given["upper"]
    return MODALITIES.load(given["modality"]).backbones.load(made_of["kind"]).upper(made_of)


def _encoders(given: Mapping[str, Any]) -> tuple[Family, str]:
    """The encoders of an input, and the kind that is taken when none is named."""
    if given.get("frozen"):
        return frozen.ENCODERS, frozen.DEFAULT_ENCODER
    modality = MODALITIES.load(given["modality"])
    return modality.encoders, modality.default_encoder
