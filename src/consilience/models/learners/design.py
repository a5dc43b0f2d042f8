"""The numbers a linear learner sees of one input: scaled columns, and indicators of what is missing.

Knows no loss and no learner. Everything is done per distinct cell, never per row.

Shape legend: U cells asked for, F columns of the features, P columns of the design, K scores.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from consilience.core.sparse import CSR
from consilience.modalities.base import Features
from consilience.models.base import Block

_CELLS = 1024
"""Cells whose numbers are laid out at once."""
_SPARSE_CELLS = 32_768
"""The same of sparse ones, which are mostly nothing."""
_SAMPLE = 2048
"""Cells whose covariance is taken."""
_GAP = 0.25
"""How large the indicator of a gap is. Most gaps are accidents: more than a hint needs many rows that agree."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """How the features of one input become P columns: the F columns, one per gap, one if whole cells were missing.

    Dense columns are centred, and divided by their deviation unless they only say yes or no: a rare category must not
    weigh more than a common one. Then all are scaled by one factor, so that the mean squared length of a row is the
    number of directions in which rows really differ, (tr S)^2 / tr(S^2) of the covariance S (the participation
    ratio): a hundred columns that say the same count as one. One regularisation strength then suits them, and rows
    of TF-IDF (length 1), alike. Sparse columns stay as they are. A missing number is its column's mean; a missing
    cell is zeros, which is the mean of everything.
    """

    mean: np.ndarray
    """[F] float64; of sparse features float32, of those that are seen"""
    factor: np.ndarray
    """[F] float64, 0 for a column that never varied; empty for sparse features"""
    gaps: np.ndarray
    """[G] int64: the columns in which training saw a number missing"""
    absent: np.ndarray
    """[1] bool: training saw whole cells missing"""
    width: np.ndarray
    """[1] int64: F"""
    seen: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    """[S] int32, ascending: the sparse columns that training rows have; empty: all"""

    @classmethod
    def fit(cls, block: Block, weights: np.ndarray) -> Design:
        """Learn from the cells that rows hold; `weights` [N] of the rows."""
        matrix, present = block.features.matrix, block.features.present
        held = np.bincount(block.index, weights, len(present))
        width = matrix.shape[1]
        cells = np.flatnonzero((held > 0) & present)
        if isinstance(matrix, CSR):
            factor, gaps = np.zeros(0), np.zeros(0, np.int64)
            total, found = _column_sums(matrix, cells, held)
            seen = np.flatnonzero(found) if 0 < found.sum() < width else np.zeros(0, np.int64)
            mean = (total / max(held[cells].sum(), 1e-300)).astype(np.float32)
            mean = mean[seen] if len(seen) else mean
        else:
            seen = np.zeros(0, np.int64)
            moments = _moments(matrix, cells, held)
            mean, gaps = moments.mean, moments.gaps
            varies = moments.deviation > 1e-6 * np.abs(mean) + 1e-12  # below that it is float32 rounding
            factor = np.where(varies, 1.0, 0.0) / np.where(varies & ~moments.binary, moments.deviation, 1.0)
            factor *= _spread(matrix, cells, held, mean, factor)
        return cls(
            mean=mean,
            factor=factor,
            gaps=gaps,
            absent=np.array([bool((held[~present] > 0).any())]),
            width=np.array([width]),
            seen=seen.astype(np.int32),
        )

    @property
    def columns(self) -> int:
        """P"""
        return (len(self.seen) or int(self.width[0])) + len(self.gaps) + int(self.absent[0])

    def matrix(self, features: Features, cells: np.ndarray) -> Any:
        """[U, P] for fitting: float32, or a SciPy matrix where the features are sparse."""
        if not isinstance(features.matrix, CSR):
            out = np.empty((len(cells), self.columns), np.float32)
            for begin in range(0, len(cells), _CELLS):  # what is in between takes several times the room
                out[begin : begin + _CELLS] = self.dense(features, cells[begin : begin + _CELLS])
            return out
        from scipy.sparse import csr_matrix, hstack

        there = features.present[cells]
        rows = self._known(features.matrix.take(cells[there]))
        counts = np.zeros(len(cells), np.int64)
        counts[there] = np.diff(rows.indptr)
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
                rows = self._known(features.matrix.take(part[there]))
                some[there] = rows.matmul(coefficients[: rows.width])
                some[~there] = coefficients[-1] if self.absent[0] else self.mean @ coefficients
            else:
                out[begin : begin + _CELLS] = self.dense(features, part) @ coefficients
        return out

    def _known(self, rows: CSR) -> CSR:
        """Without the columns that no training row has."""
        return rows.narrow(self.seen) if len(self.seen) else rows

    def dense(self, features: Features, cells: np.ndarray) -> np.ndarray:
        """[U, P] float64."""
        assert isinstance(features.matrix, np.ndarray)
        values = features.matrix[cells].astype(np.float64)
        there = features.present[cells]
        known = np.isfinite(values) & there[:, None]
        gaps = ~known[:, self.gaps] & there[:, None]
        scaled = (np.where(known, values, self.mean) - self.mean) * self.factor
        flags = [_GAP * gaps, (~there)[:, None]][: 1 + int(self.absent[0])]
        return np.concatenate([scaled, *flags], axis=1)

    def arrays(self) -> dict[str, np.ndarray]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


def _column_sums(matrix: CSR, cells: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sum of each column over some cells [F], and which columns they have at all [F] bool; a stretch of cells
    at a time, for all of a large table's at once would take as much memory as the table itself, several times over."""
    total, found = np.zeros(matrix.width), np.zeros(matrix.width, bool)
    for begin in range(0, len(cells), _SPARSE_CELLS):
        part = cells[begin : begin + _SPARSE_CELLS]
        rows = matrix.take(part)
        weight = np.repeat(held[part], np.diff(rows.indptr))
        total += np.bincount(rows.indices, rows.values * weight, matrix.width)
        found[rows.indices] = True
    return total, found


@dataclass(frozen=True, kw_only=True)
class _Moments:
    """Of each column, weighted, over what is known of it."""

    mean: np.ndarray
    deviation: np.ndarray
    binary: np.ndarray
    """[F] bool: nothing but 0 and 1"""
    gaps: np.ndarray
    """[G] columns with something unknown"""


def _moments(matrix: np.ndarray, cells: np.ndarray, held: np.ndarray) -> _Moments:
    count, total, square = (np.zeros(matrix.shape[1]) for _ in range(3))
    gaps, binary = np.zeros(matrix.shape[1], bool), np.ones(matrix.shape[1], bool)
    parts = [cells[begin : begin + _CELLS] for begin in range(0, len(cells), _CELLS)]
    for part in parts:
        values = matrix[part]
        known = np.isfinite(values)
        gaps |= ~known.all(0)
        binary &= ((values == 0) | (values == 1) | ~known).all(0)
        count += held[part] @ known
        total += held[part] @ np.where(known, values, 0.0).astype(np.float64)
    count = np.where(count > 0, count, 1.0)
    mean = total / count
    for part in parts:  # a second look, around the mean: in one pass the squares would cancel
        known = np.isfinite(matrix[part])
        square += held[part] @ np.where(known, matrix[part].astype(np.float64) - mean, 0.0) ** 2
    return _Moments(mean=mean, deviation=np.sqrt(square / count), binary=binary, gaps=np.flatnonzero(gaps))


def _spread(matrix: np.ndarray, cells: np.ndarray, held: np.ndarray, mean: np.ndarray, factor: np.ndarray) -> float:
    """The factor that makes the mean squared length of a row the participation ratio of the covariance, which is
    estimated from at most `_SAMPLE` cells spread evenly over them."""
    some = cells[np.linspace(0, len(cells) - 1, min(len(cells), _SAMPLE)).astype(np.int64)] if len(cells) else cells
    values = matrix[some].astype(np.float64)
    scaled = np.where(np.isfinite(values), values - mean, 0.0) * factor
    weights = held[some]
    rooted = scaled * np.sqrt(weights / max(weights.sum(), 1e-12))[:, None]
    # Products of rows have the trace and the squares of those of columns; the smaller of the two is quickly made.
    products = rooted @ rooted.T if len(rooted) < rooted.shape[1] else rooted.T @ rooted
    length, square = float(np.trace(products)), float((products**2).sum())
    return float(np.sqrt(length / square)) if square > 0 else 1.0
