"""Coordinates in which a penalised loss curves about alike in every direction: a solver then needs fewer
steps, often half (preconditioning; Nocedal & Wright, Numerical Optimization, 2006, chapter 5).

Otherwise columns of common words and of rare ones, and columns that say nearly the same, pull it to and fro. Only the
way to the solution changes, not the solution. Knows no loss by name.

Shape legend: U distinct cells of one input, P columns of it, K scores, S all columns and the intercept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

_WIDEST = 512
"""Columns of an input whose products with each other are taken into account; of a wider one, each alone is."""
_CELLS = 4096
"""Cells looked at at once, and those that products are taken from: they show the path, so they need not be exact."""
_LEAST = 1e-10
"""Of the mean curvature of an input's columns: added where the penalty adds less, for columns that say the same."""


class Coordinates:
    """z = L^T w for the coefficients w of an input, where L L^T is about the curvature: a triangle for an input of few
    columns, else a diagonal."""

    def __init__(
        self, matrices: Iterable[Any], held: Iterable[np.ndarray], ridge: np.ndarray, *, curvature: float
    ) -> None:
        """`matrices` [U, P] of each input, and how much of the rows' weight each of its cells has (`held` [U]);
        `ridge` [S - 1]: the penalty's curvature in each column; `curvature`: the loss's own in each score, roughly."""
        scale, triangles, begin = [], [], 0
        for matrix, weight in zip(matrices, held, strict=True):
            end = begin + matrix.shape[1]
            own = ridge[begin:end]
            if matrix.shape[1] <= _WIDEST:
                products = curvature * _products(matrix, weight)
                least = _LEAST * (1 + products.trace() / max(1, len(own)))
                products[np.diag_indices_from(products)] += np.maximum(own, least)
                triangle = np.linalg.cholesky(products)
                triangles.append((slice(begin, end), triangle, np.linalg.inv(triangle)))
                scale.append(np.ones(len(own)))
            else:
                scale.append(np.sqrt(curvature * _squares(matrix, weight) + own))
            begin = end
        scale.append(np.array([np.sqrt(curvature)]))
        self._scale = np.maximum(np.concatenate(scale), 1e-12)[:, None]
        self._triangles = triangles

    def of(self, solution: np.ndarray) -> np.ndarray:
        """[S, K] coefficients -> coordinates."""
        out = solution * self._scale
        for some, triangle, _ in self._triangles:
            out[some] = triangle.T @ solution[some]
        return out

    def solution(self, coordinates: np.ndarray) -> np.ndarray:
        """[S, K] coordinates -> coefficients."""
        out = coordinates / self._scale
        for some, _, inverse in self._triangles:
            out[some] = inverse.T @ coordinates[some]
        return out

    def slope(self, gradient: np.ndarray) -> np.ndarray:
        """[S, K] slope in the coefficients -> slope in the coordinates."""
        out = gradient / self._scale
        for some, _, inverse in self._triangles:
            out[some] = inverse @ gradient[some]
        return out


def _squares(matrix: Any, weight: np.ndarray) -> np.ndarray:
    """[P]: weighted sum of squares of each column; a stretch of cells at a time, for memory."""
    total = np.zeros(matrix.shape[1])
    for begin in range(0, len(weight), _CELLS):
        part, own = matrix[begin : begin + _CELLS], weight[begin : begin + _CELLS]
        if isinstance(part, np.ndarray):
            total += own @ np.square(part, dtype=np.float64)
        else:
            each = np.repeat(own, np.diff(part.indptr)) * np.square(part.data, dtype=np.float64)
            total += np.bincount(part.indices, each, matrix.shape[1])
    return total


def _products(matrix: Any, weight: np.ndarray) -> np.ndarray:
    """[P, P]: weighted sum of the products of each two columns, of as many cells as tell enough."""
    cells = np.linspace(0, len(weight) - 1, min(len(weight), _CELLS)).astype(np.int64)
    some, share = matrix[cells], weight[cells] * (weight.sum() / max(weight[cells].sum(), 1e-300))
    rooted = (some if isinstance(some, np.ndarray) else some.toarray()) * np.sqrt(share)[:, None]
    products: np.ndarray = rooted.T @ rooted
    return products
