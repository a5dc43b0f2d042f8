"""A frozen view of an input: its cells are the stored vectors of a backbone. Knows no modality and no backbone's kind.

Classic learners see the mean vector of a cell as features, networks its vectors as tokens.

Shape legend: U cells, T vectors of one cell, D width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from consilience.core.batch import Tokens
from consilience.core.registry import Family
from consilience.core.state import State
from consilience.modalities.base import Features, Processor, Values

ENCODERS = Family("encoder of stored vectors", {"vectors": "consilience.modalities.frozen.encoders.vectors:Vectors"})
DEFAULT_ENCODER = "vectors"

LEAST_DEVIATION = 1e-4
"""A number that never varied in training must not blow up the first time it does."""


class FrozenProcessor(Processor):
    """Mean and deviation of each of the D numbers over the training cells, so that networks see numbers around 0."""

    def __init__(self, mean: np.ndarray, deviation: np.ndarray, *, name: str, single: bool = False) -> None:
        """`name`: the backbone's, for the names of the features. `single`: no cell is ever more than one vector."""
        self.name, self.single, self._mean, self._deviation = name, single, mean, deviation

    @classmethod
    def fit(
        cls, values: Values, *, weights: np.ndarray, width: int, name: str, single: bool = False
    ) -> FrozenProcessor:
        """`weights` [U] of the training cells. Sums are exact, so the order of the cells is irrelevant."""
        sums: list[np.ndarray] = []
        total = 0.0
        for value, weight in zip(values, weights, strict=True):
            if value is not None and weight > 0:
                vectors = np.asarray(value, np.float64)
                sums.append(np.concatenate([vectors.mean(0), (vectors**2).mean(0)]) * weight)
                total += float(weight)
        if not total:
            return cls(np.zeros(width, np.float32), np.ones(width, np.float32), name=name, single=single)
        first, second = np.split(_exact_sum(sums) / total, 2)
        deviation = np.sqrt(np.maximum(second - first**2, 0.0))
        deviation = np.maximum(deviation, LEAST_DEVIATION)
        return cls(first.astype(np.float32), deviation.astype(np.float32), name=name, single=single)

    @classmethod
    def plain(cls, width: int, *, name: str) -> FrozenProcessor:
        """Vectors as they are: for layers of the backbone itself, which go on from them."""
        return cls(np.zeros(width, np.float32), np.ones(width, np.float32), name=name)

    def collate(self, values: Values) -> Tokens:
        """[U] of [T, D] -> values [U, longest T, D] float32, mask [U, longest T]."""
        lengths = np.array([0 if value is None else len(value) for value in values], np.int64)
        mask = np.arange(max(1, lengths.max(initial=0))) < lengths[:, None]
        present = [value for value in values if value is not None]
        if not present:
            return Tokens(values=np.zeros((*mask.shape, len(self._mean)), np.float32), mask=mask)
        vectors = np.concatenate(present, dtype=np.float32)
        vectors -= self._mean  # in place: fetching fresh memory takes longer than the arithmetic
        vectors /= self._deviation
        if mask.all():
            return Tokens(values=vectors.reshape(*mask.shape, -1), mask=mask)
        out = np.zeros((*mask.shape, len(self._mean)), np.float32)
        out[mask] = vectors
        return Tokens(values=out, mask=mask)

    def features(self, values: Values) -> Features:
        matrix = np.zeros((len(values), len(self._mean)), np.float32)
        for u, value in enumerate(values):
            if value is not None:
                matrix[u] = value[0] if len(value) == 1 else np.asarray(value, np.float64).mean(0)
        present = np.array([value is not None for value in values], bool)
        return Features(matrix=matrix, present=present, names=tuple(f"{self.name} {d}" for d in range(matrix.shape[1])))

    def shape(self) -> dict[str, int]:
        return {"width": len(self._mean), "single": int(self.single)}

    def state(self) -> State:
        return State(
            arrays={"mean": self._mean, "deviation": self._deviation}, meta={"name": self.name, "single": self.single}
        )

    @classmethod
    def restore(cls, state: State) -> FrozenProcessor:
        said = state.meta
        return cls(state.arrays["mean"], state.arrays["deviation"], name=said["name"], single=said["single"])


def _exact_sum(rows: Sequence[np.ndarray]) -> np.ndarray:
    """The sum over rows, rounded once: the order of the rows is irrelevant."""
    table = np.stack(rows)
    return np.array([math.fsum(column) for column in table.T])
