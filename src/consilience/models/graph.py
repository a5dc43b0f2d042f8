"""A network as ONNX graphs, run by ONNX Runtime: one graph per input that encodes its distinct cells, and one that
fuses what rows hold of them. Knows no torch and no encoder; `consilience.export.onnx` makes it of a network.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from consilience.core.batch import Tokens
from consilience.core.errors import BundleError
from consilience.core.state import State
from consilience.core.threads import sensible
from consilience.models.base import Member
from consilience.models.view import View
from consilience.tasks.base import Task

_ROWS = 8_192
"""Rows answered at once."""
_CELLS = 256
"""Cells encoded at once."""
_SMALL = 64
"""Calls on more rows or cells than this give their memory back when they end."""


class Graph(Member):
    """`encoders[i]`: (values, mask) of distinct cells of `inputs[i]` -> (values, mask) of their codes.
    `fusion`: codes, masks and cell numbers of every input -> scores [B, K]."""

    kind = "graph"

    def __init__(self, task: Task, *, inputs: Sequence[str], encoders: Sequence[bytes], fusion: bytes) -> None:
        self.task, self.inputs = task, tuple(inputs)
        self._graphs = [*encoders, fusion]
        self._sessions: list[Any] = []
        self._lock = threading.Lock()

    def predict(self, view: View) -> np.ndarray:
        return self.task.activate(self.scores(view))

    def scores(self, view: View) -> np.ndarray:
        """Raw scores of the head [N, K] float32."""
        out = [np.zeros((0, self.task.score_width), np.float32)]
        for start in range(0, len(view), _ROWS):
            out.append(self._stretch(view, np.arange(start, min(start + _ROWS, len(view)))))
        return np.concatenate(out)

    def _stretch(self, view: View, rows: np.ndarray) -> np.ndarray:
        *encoders, fusion = self._ready()
        values, masks, cells = [], [], []
        for name, encoder in zip(self.inputs, encoders, strict=True):
            distinct, place = np.unique(view.index[name][rows], return_inverse=True)
            chunks = [distinct[start : start + _CELLS] for start in range(0, len(distinct), _CELLS)]
            codes = _join([_encode(encoder, view.sources[name].tokens(chunk)) for chunk in chunks])
            values.append(codes.values)
            masks.append(codes.mask)
            cells.append(place.astype(np.int64))
        scores: np.ndarray = _run(fusion, [*values, *masks, *cells])[0]
        return scores

    def _ready(self) -> list[Any]:
        """The sessions, opened when first needed."""
        with self._lock:
            if not self._sessions:
                self._sessions = [_open(graph) for graph in self._graphs]
        return self._sessions

    def state(self) -> State:
        names = [*(f"encoder{i}.onnx" for i in range(len(self.inputs))), "fusion.onnx"]
        return State(meta={"inputs": list(self.inputs)}, files=dict(zip(names, self._graphs, strict=True)))

    @classmethod
    def restore(cls, state: State, task: Task) -> Graph:
        inputs = state.meta["inputs"]
        encoders = [state.files[f"encoder{i}.onnx"] for i in range(len(inputs))]
        return cls(task, inputs=inputs, encoders=encoders, fusion=state.files["fusion.onnx"])


def _open(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = sensible()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises types of its own that share no base
        raise BundleError(f"a graph of the model cannot be opened by ONNX Runtime: {error}") from error


def _encode(session: Any, tokens: Tokens) -> Tokens:
    values, mask = _run(session, [tokens.values, tokens.mask])
    return Tokens(values=values, mask=mask)


def _run(session: Any, given: Sequence[np.ndarray]) -> Any:
    names: Mapping[str, Any] = {node.name: array for node, array in zip(session.get_inputs(), given, strict=True)}
    size = max(len(array) for array in given)
    return session.run(None, names, _releasing() if size > _SMALL else None)


@cache
def _releasing() -> Any:
    """ONNX Runtime's arena keeps the most that any call ever needed. Without it every call asks the system for its
    memory anew, which made one row in a thread 1.5 times as slow; so it stays, and large calls empty it."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _join(parts: Sequence[Tokens]) -> Tokens:
    """Codes of several calls as one, padded to the longest."""
    if len(parts) == 1:
        return parts[0]
    longest = max(part.mask.shape[1] for part in parts)

    def lengthen(array: np.ndarray) -> np.ndarray:
        return np.pad(array, [(0, 0), (0, longest - array.shape[1]), *[(0, 0)] * (array.ndim - 2)])

    padded = [part.map(lengthen) for part in parts]
    return Tokens(values=np.concatenate([p.values for p in padded]), mask=np.concatenate([p.mask for p in padded]))
