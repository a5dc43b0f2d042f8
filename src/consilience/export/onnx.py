"""Networks to ONNX graphs with any number of rows, cells and tokens; what holds no network stays as it is.

Knows the kinds of members; one that is not registered here is refused, never guessed at.

Shape legend: B rows, U distinct cells, T tokens, K answer columns.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import singledispatch
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from consilience.bundle.model import Model
from consilience.core.batch import Tokens
from consilience.core.errors import ExportError
from consilience.core.optional import require
from consilience.core.seeding import generator
from consilience.modalities import MODALITIES
from consilience.models.base import Member
from consilience.models.classic import Classic
from consilience.models.constant import Constant
from consilience.models.ensemble import Ensemble
from consilience.models.fused import FusedModel
from consilience.models.graph import Graph
from consilience.models.network import Network, to_device

_CELLS = 5
"""Made-up cells a graph is traced with. Sizes of 1 would be burnt in; prime, so that no size equals another."""
_ROWS = 7


def convert(model: Model) -> Member:
    """The model's member without torch: every network in it becomes graphs. Raises ExportError with the reason."""
    for name in model.member.inputs:
        if (backbone := model.inputs[name].backbone) is not None:
            raise ExportError(
                f"{model.name}: the input {name} is seen through the backbone {backbone.name}, which has no ONNX form "
                "yet. Serve the run itself (with the extra `pretrained`), or fit without backbones"
            )
    return _convert(model.member, model)


@singledispatch
def _convert(member: Member, model: Model) -> Member:
    raise ExportError(f"{model.name}: models of the kind {member.kind!r} cannot be exported to ONNX")


@_convert.register(Classic)
@_convert.register(Constant)
@_convert.register(Graph)
def _(member: Member, model: Model) -> Member:
    return member  # arrays and NumPy already


@_convert.register(Ensemble)
def _(member: Ensemble, model: Model) -> Member:
    parts = {name: _convert(part, model) for name, part in member.members.items()}
    return Ensemble(parts, member.rule, kind=member.rule_kind)


@_convert.register(Network)
def _(member: Network, model: Model) -> Member:
    require("onnx", "onnxscript", extra="export", to="export a network to ONNX")
    network = member.model.eval().cpu()
    codes, encoders = {}, []
    with torch.no_grad():
        for name in network.names:
            tokens = to_device(_example(model, name), torch.device("cpu"))
            codes[name] = network.encode(name, tokens)
            sizes = _free("cells", "tokens", tokens.mask)
            encoders.append(_graph(_Encode(network, name), (tokens.values, tokens.mask), (sizes, sizes), model))
    fusion = _graph(_Answer(network), *_fusion_example(codes), model)
    return Graph(model.task, inputs=network.names, encoders=encoders, fusion=fusion)


class _Encode(nn.Module):
    """One input's encoder: values [U, T, ...] and mask [U, T] -> codes and their mask."""

    def __init__(self, network: FusedModel, name: str) -> None:
        super().__init__()
        self.network, self.name = network, name

    def forward(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.network.encode(self.name, Tokens(values=values, mask=mask))
        return codes.values, codes.mask


class _Answer(nn.Module):
    """Codes and masks of distinct cells of every input, and the cell of each row [B] -> scores [B, K]."""

    def __init__(self, network: FusedModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, values: list[Tensor], masks: list[Tensor], cells: list[Tensor]) -> Tensor:
        names = self.network.names
        codes = {n: Tokens(values=v, mask=m) for n, v, m in zip(names, values, masks, strict=True)}
        scores: Tensor = self.network.answer(codes, dict(zip(names, cells, strict=True))).values["scores"]
        return scores.float()


def _example(model: Model, name: str) -> Tokens:
    """Tokens of made-up cells of one input, as its processor makes them."""
    given, rng = model.inputs[name], generator(0, f"export {name}")
    modality = MODALITIES.load(given.plan.modality)()
    cells = [modality.example(given.config, given.processor, rng) for _ in range(_CELLS)]
    values = [modality.load(cell, given.config, Path("."), model.limits)[0] for cell in cells]
    tokens: Tokens = given.processor.collate(values)
    return tokens


def _fusion_example(codes: dict[str, Tokens]) -> tuple[Any, Any]:
    """Arguments of `_Answer`, and which of their sizes are free."""
    values, masks = [c.values for c in codes.values()], [c.mask for c in codes.values()]
    cells = [torch.arange(_ROWS) % _CELLS for _ in codes]
    sizes = [_free(f"cells{i}", f"tokens{i}", mask) for i, mask in enumerate(masks)]
    rows = torch.export.Dim("rows", min=1)
    return (values, masks, cells), (sizes, sizes, [{0: rows} for _ in cells])


def _free(cells: str, tokens: str, mask: Tensor) -> dict[int, Any]:
    """Any number of cells; any number of tokens, unless there is always one."""
    sizes = {0: torch.export.Dim(cells, min=1)}
    return {**sizes, 1: torch.export.Dim(tokens, min=1)} if mask.shape[1] > 1 else sizes


def _graph(module: nn.Module, example: tuple[Any, ...], sizes: tuple[Any, ...], model: Model) -> bytes:
    try:
        with _quiet(), _recurrent_sizes():
            program = torch.onnx.export(module.eval(), example, dynamo=True, dynamic_shapes=sizes, verbose=False)
        assert program is not None
        content: bytes = program.model_proto.SerializeToString()
    except Exception as error:  # the exporter raises types of its own, and any error of what it traces
        raise ExportError(f"{model.name}: torch cannot turn this network into an ONNX graph: {error}") from error
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own deprecations and logs at length."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            log.setLevel(level)


@contextmanager
def _recurrent_sizes() -> Iterator[None]:
    """How large the output of a recurrent network is, as a rule. torch 2.13 has none: it follows such a network step by
    step, for as many as the example has, several times over (for 100 steps 38 seconds; with the rule 3), and fails
    where the number of steps is an expression, as it is behind a stride. Can go when torch has such rules of its own.
    """

    def gru(given: Tensor, before: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        return _said(given, before, _), torch.empty_like(before)

    def lstm(given: Tensor, before: list[Tensor], *_: Any) -> tuple[Tensor, Tensor, Tensor]:
        return _said(given, before[0], _), torch.empty_like(before[0]), torch.empty_like(before[1])

    rules = {torch.ops.aten.gru.input: gru, torch.ops.aten.lstm.input: lstm}
    table: Any = torch._decomp.decomposition_table
    places: list[tuple[Any, Any, Any]] = [(table, operator, rule) for operator, rule in rules.items()]
    places += [(operator.py_kernels, key, rule) for operator, rule in rules.items() for key in [*operator.py_kernels]]
    known = [where[key] for where, key, _ in places]
    try:
        for where, key, rule in places:
            where[key] = rule
        _forget(rules)
        yield
    finally:
        for (where, key, _), before in zip(places, known, strict=True):
            where[key] = before
        _forget(rules)


def _forget(operators: Iterable[Any]) -> None:
    """What torch remembers of how to call them."""
    for operator in operators:
        operator._dispatch_cache.clear()


def _said(given: Tensor, before: Tensor, rest: tuple[Any, ...]) -> Tensor:
    """Output of a recurrent network: one vector a step, of both directions if it has two (the sixth argument of
    `rest`: parameters, has_biases, layers, dropout, train, bidirectional, batch_first)."""
    return given.new_empty((*given.shape[:2], before.shape[-1] * (2 if rest[5] else 1)))
