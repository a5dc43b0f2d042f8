"""A CSR matrix in three arrays: what prediction needs of sparse features, without SciPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


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
        """Rows by index (repeats allowed)."""
        starts, counts = self.indptr[rows], np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(counts)])
        flat = np.repeat(starts - indptr[:-1], counts) + np.arange(indptr[-1])
        return CSR(values=self.values[flat], indices=self.indices[flat], indptr=indptr, width=self.width)

    def matmul(self, dense: np.ndarray) -> np.ndarray:
        """[rows, width] @ [width, K] -> [rows, K] float64; each row is summed on its own, in order."""
        out = np.zeros((self.shape[0], dense.shape[1]))
        filled = np.flatnonzero(np.diff(self.indptr))
        if len(filled):
            products = dense[self.indices] * self.values[:, None]
            out[filled] = np.add.reduceat(products, self.indptr[filled], axis=0)
        return out

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
