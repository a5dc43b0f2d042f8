"""A linear model over several inputs, and how it is fitted: score = intercept + sum of the inputs' scores.

Knows no loss by name: it is given a function. The matrix of all rows is never formed: each input is multiplied once
per distinct cell, and rows pick up and add what their cells gave (forward) or collect what their rows ask (backward).

Shape legend: N rows, U distinct cells of one input, P columns of its design, K scores.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from consilience.models.base import Block
from consilience.models.learners.design import Design
from consilience.models.learners.precondition import Coordinates
from consilience.models.learners.relevance import penalty_factors
from consilience.models.learners.twins import merging

_MERGED = 10_000_000
"""Numbers other than 0 of a matrix whose twins are merged; a larger one is not held twice."""


class Loss(Protocol):
    @property
    def curvature(self) -> float:
        """The second derivative in a score, roughly: it shows the solver the way."""

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores [N, K] -> the loss of each row [N], its slope in each score [N, K]."""


@dataclass(frozen=True, kw_only=True)
class Additive:
    """A fitted linear model."""

    designs: dict[str, Design]
    coefficients: dict[str, np.ndarray]
    """[P, K] float64 by input"""
    intercept: np.ndarray
    """[K] float64"""

    def scores(self, blocks: Mapping[str, Block]) -> np.ndarray:
        """[N, K] float64."""
        rows = len(next(iter(blocks.values())).index)
        total = np.repeat(self.intercept[None], rows, axis=0)
        for name, design in self.designs.items():
            cells, place = np.unique(blocks[name].index, return_inverse=True)
            total += design.scores(blocks[name].features, cells, self.coefficients[name])[place]
        return total

    def arrays(self) -> dict[str, np.ndarray]:
        """For `State.arrays`; the names of the inputs go to its meta, in the order of `designs`."""
        arrays = {"intercept": self.intercept}
        for i, (name, design) in enumerate(self.designs.items()):
            arrays |= {f"{i}.{part}": array for part, array in design.arrays().items()}
            arrays[f"{i}.coefficients"] = self.coefficients[name]
        return arrays

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray], inputs: list[str]) -> Additive:
        designs, coefficients = {}, {}
        for i, name in enumerate(inputs):
            mine = {key.removeprefix(f"{i}."): a for key, a in arrays.items() if key.startswith(f"{i}.")}
            coefficients[name] = mine.pop("coefficients")
            designs[name] = Design(**mine)
        return cls(designs=designs, coefficients=coefficients, intercept=arrays["intercept"])


class Fitter:
    """The designs of some training rows, laid out once for any number of fits on all or part of them.

    Solutions are of columns without twins (twins.py); `model` gives each of the twins its share."""

    def __init__(self, blocks: Mapping[str, Block], weights: np.ndarray, *, merge: bool = True) -> None:
        """`merge`: twins; not for a penalty on anything but squares."""
        self._weights = weights
        self._designs = {name: Design.fit(blocks[name], weights) for name in sorted(blocks)}
        self._operands: list[Operand] = []
        self._merging: dict[str, Any] = {}
        for name, design in self._designs.items():
            cells, place = np.unique(blocks[name].index, return_inverse=True)
            matrix = design.matrix(blocks[name].features, cells)
            if merge and not isinstance(matrix, np.ndarray) and matrix.nnz < _MERGED:
                self._merging[name] = merging(matrix)
                matrix = matrix @ self._merging[name]
            self._operands.append((matrix, place))
        self._ends = np.cumsum([matrix.shape[1] for matrix, _ in self._operands])

    def model(self, solution: np.ndarray) -> Additive:
        """`solution` [all columns + 1, K]: the coefficients of one input after the other, then the intercept."""
        parts = np.split(solution, self._ends)
        coefficients = dict(zip(self._designs, parts[:-1], strict=True))
        coefficients |= {name: twins @ coefficients[name] for name, twins in self._merging.items()}
        return Additive(designs=self._designs, coefficients=coefficients, intercept=parts[-1][0])

    def factors(self, target: np.ndarray, rows: np.ndarray, *, discrete: bool, share: float) -> np.ndarray:
        """`penalty_factors` of sparse columns, 1 of all others [all columns], from the chosen rows and the `target`
        of those."""
        found = []
        for matrix, place in self._operands:
            if isinstance(matrix, np.ndarray) or not share:
                found.append(np.ones(matrix.shape[1]))
            else:
                given = place[rows], self._weights[rows], target
                found.append(penalty_factors(matrix, *given, discrete=discrete, share=share))
        return np.concatenate(found)

    def fit(
        self,
        loss: Loss,
        width: int,
        how: Solver,
        *,
        seconds: float,
        rows: np.ndarray | None = None,
        start: np.ndarray | None = None,
        factors: np.ndarray | None = None,
    ) -> tuple[np.ndarray, bool]:
        """`minimise` over the chosen rows; all of them where none are chosen."""
        chosen = np.arange(len(self._weights)) if rows is None else rows
        operands = [(matrix, place[chosen]) for matrix, place in self._operands]
        weights = self._weights[chosen]
        return minimise(operands, weights, loss, width, how, seconds=seconds, start=start, factors=factors)


Operand = tuple[Any, np.ndarray]
"""The columns of one input's cells [U, P], and the cell of each row [N]."""


@dataclass(frozen=True, kw_only=True)
class Solver:
    """How closely to fit, what to penalise, and when to stop."""

    C: float
    max_iter: int
    tol: float
    l1_ratio: float = 0.0
    """Share of the penalty that is the sum of absolute coefficients (L1); the rest is half the sum of squares (L2)."""


def minimise(
    operands: list[Operand],
    weights: np.ndarray,
    loss: Loss,
    width: int,
    how: Solver,
    *,
    seconds: float,
    start: np.ndarray | None = None,
    factors: np.ndarray | None = None,
) -> tuple[np.ndarray, bool]:
    """Minimise C * sum(weight * loss) + penalty by L-BFGS (Liu & Nocedal 1989), which suits every smooth loss. The
    solution [all P + 1, K], and whether it was reached in time. `factors` [all P]: of the penalty on each column.

    With an L1 part, every coefficient is a positive part less a negative part, both at least 0 (L-BFGS-B, Byrd et al.
    1995): the penalty is linear in them, and the coefficients that do not pay end at exactly 0.
    """
    from scipy.optimize import Bounds, minimize

    begin = time.monotonic()
    columns = sum(matrix.shape[1] for matrix, _ in operands)
    each = np.ones(columns) if factors is None else factors
    plain = _Objective(operands, weights, loss, width, how, each)
    objective = _Signed(plain) if how.l1_ratio else _Eased(plain)
    first = objective.given(np.zeros((columns + 1, width)) if start is None else start)

    def watch(intermediate_result: Any) -> None:
        if time.monotonic() - begin > seconds:
            raise StopIteration

    options = {"maxiter": how.max_iter, "gtol": objective.flat, "ftol": how.tol, "maxls": 50, "maxcor": 3}
    result = minimize(
        objective,
        first.reshape(-1),
        jac=True,
        method="L-BFGS-B",
        callback=watch,
        options=options,
        bounds=None if objective.lowest is None else Bounds(objective.lowest.reshape(-1)),
    )
    return objective.solution(result.x), bool(result.success)


class _Eased:
    """An objective of coordinates in which the solver needs few steps."""

    lowest = None
    flat = 3e-5
    """Where no slope is steeper, the solver is at the bottom: sums of float32 do not tell lower ones apart."""

    def __init__(self, objective: _Objective) -> None:
        self._objective, self._coordinates = objective, objective.coordinates()

    def given(self, solution: np.ndarray) -> np.ndarray:
        return self._coordinates.of(solution)

    def solution(self, flat: np.ndarray) -> np.ndarray:
        return self._coordinates.solution(flat.reshape(-1, self._objective.width))

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = self._objective(self.solution(flat))
        return value, self._coordinates.slope(gradient).reshape(-1)


class _Signed:
    """An objective of coefficients as one of their positive and their negative parts."""

    flat = 1e-5

    def __init__(self, objective: _Objective) -> None:
        self._objective = objective
        self.lowest = np.zeros((2 * len(objective.lasso) + 1, objective.width))
        self.lowest[-1] = -np.inf

    def given(self, solution: np.ndarray) -> np.ndarray:
        return np.concatenate([np.maximum(solution[:-1], 0), np.maximum(-solution[:-1], 0), solution[-1:]])

    def solution(self, flat: np.ndarray) -> np.ndarray:
        positive, negative, last = self._parts(flat)
        return np.concatenate([positive - negative, last])

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        lasso = self._objective.lasso
        positive, negative, _ = self._parts(flat)
        value, slope = self._objective(self.solution(flat))
        both = np.concatenate([slope[:-1] + lasso, -slope[:-1] + lasso, slope[-1:]])
        return value + float((lasso * (positive + negative)).sum()), both.reshape(-1)

    def _parts(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        parts = flat.reshape(-1, self._objective.width)
        half = len(parts) // 2
        return parts[:half], parts[half:-1], parts[-1:]


class _Objective:
    """Solution -> loss per weight of a row, with the L2 part of the penalty; and its slope."""

    def __init__(
        self, operands: list[Operand], weights: np.ndarray, loss: Loss, width: int, how: Solver, factors: np.ndarray
    ) -> None:
        from scipy.sparse import csr_matrix

        self._share = weights / weights.sum()
        strength = 1.0 / (how.C * weights.sum())
        # As if each column's numbers were larger by the root of what its square costs less.
        self._ridge = (1 - how.l1_ratio) * strength * factors[:, None]
        self.lasso = how.l1_ratio * strength * np.sqrt(factors)[:, None]
        self._operands, self._loss, self.width = operands, loss, width
        self._ends = np.cumsum([matrix.shape[1] for matrix, _ in operands])
        ones, rows = np.ones(len(weights), np.float32), np.arange(len(weights))
        self._collect = [
            csr_matrix((ones, (place, rows)), shape=(matrix.shape[0], len(rows))) for matrix, place in operands
        ]

    def coordinates(self) -> Coordinates:
        held = (np.bincount(place, self._share, matrix.shape[0]) for matrix, place in self._operands)
        matrices = (matrix for matrix, _ in self._operands)
        return Coordinates(matrices, held, self._ridge[:, 0], curvature=self._loss.curvature)

    def __call__(self, solution: np.ndarray) -> tuple[float, np.ndarray]:
        """[all P + 1, K] -> loss and penalty, and the slope in each number of the solution."""
        coefficients, gradient = solution[:-1], np.empty_like(solution)
        parts = np.split(coefficients.astype(np.float32), self._ends[:-1])  # as the features are: half the time
        scores = np.repeat(solution[-1:], len(self._share), axis=0)
        for (matrix, place), part in zip(self._operands, parts, strict=True):
            scores += (matrix @ part)[place]
        losses, slopes = self._loss(scores)
        slopes *= self._share[:, None]
        rounded = slopes.astype(np.float32)
        np.multiply(coefficients, self._ridge, out=gradient[:-1])
        penalty = np.vdot(gradient[:-1], coefficients) / 2
        for (matrix, _), collect, own in zip(
            self._operands, self._collect, np.split(gradient[:-1], self._ends[:-1]), strict=True
        ):
            own += matrix.T @ (collect @ rounded)
        gradient[-1] = slopes.sum(0)
        return float(losses @ self._share + penalty), gradient
