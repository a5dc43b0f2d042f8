"""A CSR matrix in three arrays: what prediction needs of sparse features, without SciPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

_PAIRS = 1 << 20
"""Products that are held at once."""


@dataclass(frozen=True, kw_only=True)
class CSR:
    """values [nnz] float32, indices [nnz] int32 (column), indptr [rows+1] int64, width columns."""

    values: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.indptr) - 1, self.width

    def take(self, rows: np.ndarray) -> CSR:
        """Rows by index (repeats allowed); all of them in order are this matrix itself."""
        if len(rows) == self.shape[0] and np.array_equal(rows, np.arange(len(rows))):
            return self
        starts, counts = self.indptr[rows], np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(counts)])
        flat = np.repeat(starts - indptr[:-1], counts) + np.arange(indptr[-1])
        return CSR(values=self.values[flat], indices=self.indices[flat], indptr=indptr, width=self.width)

    def narrow(self, columns: np.ndarray) -> CSR:
        """Only some of the columns (ascending), numbered anew in that order."""
        if not len(columns):
            none = np.zeros(0, np.int64)
            return CSR(values=self.values[none], indices=self.indices[none], indptr=0 * self.indptr, width=0)
        place = np.searchsorted(columns, self.indices)
        kept = columns[np.minimum(place, len(columns) - 1)] == self.indices
        indptr = np.concatenate([[0], np.cumsum(kept)])[self.indptr]
        indices = place[kept].astype(self.indices.dtype)
        return CSR(values=self.values[kept], indices=indices, indptr=indptr, width=len(columns))

    def matmul(self, dense: np.ndarray) -> np.ndarray:
        """[rows, width] @ [width, K] -> [rows, K] float64; each row is summed on its own, in order."""
        out = np.zeros((self.shape[0], dense.shape[1]))
        for rows in _stretches(self.indptr, max(1, _PAIRS // max(1, dense.shape[1]))):
            ends = self.indptr[rows.start : rows.stop + 1]
            filled = np.flatnonzero(np.diff(ends))
            if len(filled):
                part = slice(ends[0], ends[-1])
                products = dense[self.indices[part]] * self.values[part, None].astype(np.float64)
                out[rows.start + filled] = np.add.reduceat(products, ends[filled] - ends[0], axis=0)
        return out

    def dot(self, other: CSR) -> np.ndarray:
        """[rows, width] with [others, width] -> [rows, others] float64: the scalar product of each row with each row
        of `other`. Each is summed on its own, in order of the columns' places in the row."""
        out = np.zeros((self.shape[0], other.shape[0]))
        turned = other._by_column()
        starts, counts = turned.indptr[self.indices], np.diff(turned.indptr)[self.indices]
        ends = np.cumsum(counts)
        for rows in _stretches(np.concatenate([[0], ends])[self.indptr], _PAIRS):
            part = slice(self.indptr[rows.start], self.indptr[rows.stop])
            repeat = counts[part]
            flat = np.arange(int(repeat.sum())) + np.repeat(starts[part] - (np.cumsum(repeat) - repeat), repeat)
            row = np.repeat(np.arange(rows.stop - rows.start), np.diff(self.indptr[rows.start : rows.stop + 1]))
            place = np.repeat(row, repeat) * other.shape[0] + turned.indices[flat]
            products = np.repeat(self.values[part].astype(np.float64), repeat) * turned.values[flat]
            sums = np.bincount(place, products, (rows.stop - rows.start) * other.shape[0])
            out[rows] = sums.reshape(out[rows].shape)
        return out

    def _by_column(self) -> CSR:
        """The same numbers the other way round: a row for every column."""
        order = np.argsort(self.indices, kind="stable")
        rows = np.repeat(np.arange(self.shape[0], dtype=np.int32), np.diff(self.indptr))
        indptr = np.concatenate([[0], np.cumsum(np.bincount(self.indices, minlength=self.width))])
        return CSR(values=self.values[order], indices=rows[order], indptr=indptr, width=self.shape[0])

    def columns(self, keep: np.ndarray) -> np.ndarray:
        """The chosen columns as a dense float32 array [rows, len(keep)]."""
        place = np.full(self.width, -1, np.int64)
        place[keep] = np.arange(len(keep))
        out = np.zeros((self.shape[0], len(keep)), np.float32)
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))
        column = place[self.indices]
        chosen = column >= 0
        out[rows[chosen], column[chosen]] = self.values[chosen]
        return out

    def to_scipy(self) -> Any:
        from scipy.sparse import csr_matrix

        return csr_matrix((self.values, self.indices, self.indptr), shape=self.shape)


def _stretches(ends: np.ndarray, most: int) -> Iterator[slice]:
    """Neighbouring rows whose work together is at most `most`, one at least. `ends` [rows + 1]: work up to each row."""
    start = 0
    while start < len(ends) - 1:
        stop = max(start + 1, int(np.searchsorted(ends, ends[start] + most, side="right")) - 1)
        yield slice(start, stop)
        start = stop
