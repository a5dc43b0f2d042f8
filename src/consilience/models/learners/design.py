"""The numbers a linear learner sees of one input: scaled columns, and indicators of what is missing.

Knows no loss and no learner. Everything is done per distinct cell, never per row.

Shape legend: U cells asked for, F columns of the features, P columns of the design, K scores.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from consilience.core.sparse import CSR
from consilience.modalities.base import Features
from consilience.models.base import Block

_CELLS = 1024
"""Cells whose numbers are laid out at once."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """How the features of one input become P columns: the F columns, one per gap, one if whole cells were missing.

    Dense columns are centred, divided by their deviation and by the root of F, so that a row has length about 1
    whatever the input, as rows of TF-IDF have: one regularisation strength then suits all. Sparse columns stay as
    they are. What is missing counts as the mean: a missing number, and a whole missing cell of an input that training
    always had. Where training saw whole cells missing, what they mean was learned.
    """

    mean: np.ndarray
    """[F] float64"""
    factor: np.ndarray
    """[F] float64, 0 for a column that never varied; empty for sparse features"""
    gaps: np.ndarray
    """[G] int64: the columns in which training saw a number missing"""
    absent: np.ndarray
    """[1] bool: training saw whole cells missing"""
    width: np.ndarray
    """[1] int64: F"""

    @classmethod
    def fit(cls, block: Block, weights: np.ndarray) -> Design:
        """Learn from the cells that rows hold; `weights` [N] of the rows."""
        matrix, present = block.features.matrix, block.features.present
        held = np.bincount(block.index, weights, len(present))
        width = matrix.shape[1]
        cells = np.flatnonzero((held > 0) & present)
        if isinstance(matrix, CSR):
            factor, gaps = np.zeros(0), np.zeros(0, np.int64)
            rows = matrix.take(cells)
            weight = np.repeat(held[cells], np.diff(rows.indptr))
            mean = np.bincount(rows.indices, rows.values * weight, width) / max(held[cells].sum(), 1e-300)
        else:
            mean, deviation, gaps = _moments(matrix, cells, held)
            varies = deviation > 1e-6 * np.abs(mean) + 1e-12  # below that it is float32 rounding
            factor = np.where(varies, 1.0, 0.0) / np.where(varies, deviation * np.sqrt(max(width, 1)), 1.0)
        return cls(
            mean=mean,
            factor=factor,
            gaps=gaps,
            absent=np.array([bool((held[~present] > 0).any())]),
            width=np.array([width]),
        )

    @property
    def columns(self) -> int:
        """P"""
        return int(self.width[0]) + len(self.gaps) + int(self.absent[0])

    def matrix(self, features: Features, cells: np.ndarray) -> Any:
        """[U, P] for fitting: float32, or a SciPy matrix where the features are sparse."""
        if not isinstance(features.matrix, CSR):
            return self._dense(features, cells).astype(np.float32)
        from scipy.sparse import csr_matrix, hstack

        there = features.present[cells]
        counts = np.where(there, np.diff(features.matrix.indptr)[cells], 0)
        rows = features.matrix.take(cells[there])
        sparse = csr_matrix(
            (rows.values, rows.indices, np.concatenate([[0], np.cumsum(counts)])), shape=(len(cells), rows.width)
        )
        flag = csr_matrix((~there).astype(np.float32)[:, None])
        return hstack([sparse, flag], format="csr") if self.absent[0] else sparse

    def scores(self, features: Features, cells: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """[U, P] @ [P, K] -> [U, K] float64."""
        out = np.zeros((len(cells), coefficients.shape[1]))
        for begin in range(0, len(cells), _CELLS):
            part = cells[begin : begin + _CELLS]
            if isinstance(features.matrix, CSR):
                there = features.present[part]
                some = out[begin : begin + _CELLS]
                some[there] = features.matrix.take(part[there]).matmul(coefficients[: features.matrix.width])
                some[~there] = coefficients[-1] if self.absent[0] else self.mean @ coefficients
            else:
                out[begin : begin + _CELLS] = self._dense(features, part) @ coefficients
        return out

    def _dense(self, features: Features, cells: np.ndarray) -> np.ndarray:
        """[U, P] float64."""
        assert isinstance(features.matrix, np.ndarray)
        values = features.matrix[cells].astype(np.float64)
        there = features.present[cells]
        known = np.isfinite(values) & there[:, None]
        gaps = ~known[:, self.gaps] & there[:, None]
        scaled = (np.where(known, values, self.mean) - self.mean) * self.factor
        # An indicator weighs as much as a column that is one deviation off.
        flags = [gaps / np.sqrt(max(values.shape[1], 1)), (~there)[:, None]][: 1 + int(self.absent[0])]
        return np.concatenate([scaled, *flags], axis=1)

    def arrays(self) -> dict[str, np.ndarray]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


def _moments(matrix: np.ndarray, cells: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted mean and deviation of each column over what is known of it, and the columns with something unknown."""
    count, total, square = (np.zeros(matrix.shape[1]) for _ in range(3))
    gaps = np.zeros(matrix.shape[1], bool)
    parts = [cells[begin : begin + _CELLS] for begin in range(0, len(cells), _CELLS)]
    for part in parts:
        known = np.isfinite(matrix[part])
        gaps |= ~known.all(0)
        count += held[part] @ known
        total += held[part] @ np.where(known, matrix[part], 0.0).astype(np.float64)
    count = np.where(count > 0, count, 1.0)
    mean = total / count
    for part in parts:  # a second look, around the mean: in one pass the squares would cancel
        known = np.isfinite(matrix[part])
        square += held[part] @ np.where(known, matrix[part].astype(np.float64) - mean, 0.0) ** 2
    return mean, np.sqrt(square / count), np.flatnonzero(gaps)
