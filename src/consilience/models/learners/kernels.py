"""Kernels between rows of several inputs: how alike two rows are, from distances or products of their cells.

Knows no learner and no loss. What can be computed per distinct cell is: rows pick up what their cells gave. Each input
counts alike: its distances are divided by their mean, its products by the mean squared length.

A missing cell is a point of its own: at right angles to all others, as far from the middle as they are on average. So
two rows that both miss an input are alike in it, and nothing is made up.

Shape legend: N rows, U distinct cells of one input, P columns of its design, M landmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from consilience.core.sparse import CSR
from consilience.models.base import Block
from consilience.models.learners.design import Design

_ROWS = 1024
"""Rows whose likeness is computed at once."""
Points = np.ndarray | CSR
"""Cells of one input: [U, P] float64, or sparse."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One input of the landmarks: its distinct cells, and which of them each landmark has."""

    design: Design
    points: Points
    absent: np.ndarray
    """[U] bool"""
    place: np.ndarray
    """[M] int64"""
    middle: np.ndarray
    """[1] float64: mean squared length, from the middle, of the cells of training rows"""

    @classmethod
    def fit(cls, block: Block, weights: np.ndarray, landmarks: np.ndarray) -> Side:
        """`landmarks` [M]: row numbers."""
        design = replace(Design.fit(block, weights), absent=np.zeros(1, bool))
        cells, place = np.unique(block.index[landmarks], return_inverse=True)
        absent = ~block.features.present[cells]
        points = _points(design, block, cells)
        square, there = _squares(points), ~absent
        held = np.bincount(place, weights[landmarks], len(cells)) * there
        total = max(float(held.sum()), 1e-300)
        centre = _mean(points, held / total)
        middle = float(held @ square) / total - float(centre @ centre)
        scale = middle if middle > 1e-12 else 1.0
        return cls(design=design, points=points, absent=absent, place=place, middle=np.array([scale]))

    def products(self, block: Block, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the chosen cells with the landmarks' [len(cells), M], and their squared lengths [len(cells)]; of cells in
        units of the mean squared length."""
        points, absent = _points(self.design, block, cells), ~block.features.present[cells]
        products = _dot(points, self.points) / self.middle
        products[np.ix_(absent, self.absent)] = 1.0
        return products[:, self.place], np.where(absent, 1.0, _squares(points) / self.middle)

    def squares(self) -> np.ndarray:
        """[M]"""
        return np.where(self.absent, 1.0, _squares(self.points) / self.middle)[self.place]

    def arrays(self) -> dict[str, np.ndarray]:
        arrays = {f"design.{name}": array for name, array in self.design.arrays().items()}
        if isinstance(self.points, CSR):
            held = {f.name: getattr(self.points, f.name) for f in fields(CSR) if f.name != "width"}
            arrays |= {f"points.{name}": array for name, array in held.items()}
        else:
            arrays["points"] = self.points
        return arrays | {"absent": self.absent, "place": self.place, "middle": self.middle}

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray]) -> Side:
        def under(prefix: str) -> dict[str, np.ndarray]:
            return {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}

        design = Design(**under("design."))
        sparse = under("points.")
        points: Points = CSR(**sparse, width=int(design.width[0])) if sparse else arrays["points"]
        return cls(design=design, points=points, **{n: arrays[n] for n in ("absent", "place", "middle")})


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """`rbf`: exp(-gamma d), d the mean over the inputs of the squared distance; where it is the mean distance of two
    rows, d is 2. `polynomial`: (1 + gamma s)^degree, s the mean over the inputs of the scalar product."""

    kind: str
    gamma: float
    degree: int

    def between(self, blocks: Mapping[str, Block], sides: Mapping[str, Side]) -> np.ndarray:
        """Rows with the landmarks, [N, M] float64."""
        rows = len(next(iter(blocks.values())).index)
        landmarks = len(next(iter(sides.values())).place)
        out = np.empty((rows, landmarks))
        for begin in range(0, rows, _ROWS):
            part = np.arange(begin, min(begin + _ROWS, rows))
            out[part] = self._some({name: block.take(part) for name, block in blocks.items()}, sides)
        return out

    def _some(self, blocks: Mapping[str, Block], sides: Mapping[str, Side]) -> np.ndarray:
        total = np.zeros(())
        for name, side in sides.items():
            cells, place = np.unique(blocks[name].index, return_inverse=True)
            products, squares = side.products(blocks[name], cells)
            if self.kind == "rbf":
                products = np.maximum(squares[:, None] + side.squares() - 2 * products, 0.0)
            total = total + products[place]
        mean = total / len(sides)
        return np.exp(-self.gamma * mean) if self.kind == "rbf" else (1.0 + self.gamma * mean) ** self.degree


def _points(design: Design, block: Block, cells: np.ndarray) -> Points:
    """The design of the chosen cells; of missing ones nothing but zeros."""
    features = block.features
    if not isinstance(features.matrix, CSR):
        return design.dense(features, cells)
    rows, there = features.matrix.take(cells), features.present[cells]
    kept = np.repeat(there, np.diff(rows.indptr))
    counts = np.where(there, np.diff(rows.indptr), 0)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return CSR(values=rows.values[kept], indices=rows.indices[kept], indptr=indptr, width=rows.width)


def _dot(left: Points, right: Points) -> np.ndarray:
    if isinstance(left, CSR):
        assert isinstance(right, CSR)
        return left.dot(right)
    assert isinstance(right, np.ndarray)
    return left @ right.T


def _squares(points: Points) -> np.ndarray:
    if isinstance(points, CSR):
        rows = np.repeat(np.arange(points.shape[0]), np.diff(points.indptr))
        return np.bincount(rows, points.values.astype(np.float64) ** 2, points.shape[0])
    return np.einsum("up,up->u", points, points)


def _mean(points: Points, shares: np.ndarray) -> np.ndarray:
    """[P]: the sum of the points, each times its share."""
    if isinstance(points, CSR):
        weights = np.repeat(shares, np.diff(points.indptr))
        return np.bincount(points.indices, points.values * weights, points.width)
    return shares @ points
