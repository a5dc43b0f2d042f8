"""A linear model over several inputs, and how it is fitted: score = intercept + sum of the inputs' scores.

Knows no loss by name: it is given a function. The matrix of all rows is never formed: each input is multiplied once
per distinct cell, and rows pick up and add what their cells gave (forward) or collect what their rows ask (backward).

Shape legend: N rows, U distinct cells of one input, P columns of its design, K scores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.models.base import Block
from consilience.models.learners.design import Design

Loss = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
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
    """The designs of some training rows, laid out once for any number of fits on all or part of them."""

    def __init__(
        self, blocks: Mapping[str, Block], weights: np.ndarray, *, C: float, max_iter: int, tol: float
    ) -> None:
        self._weights, self._C, self._max_iter, self._tol = weights, C, max_iter, tol
        self._designs = {name: Design.fit(blocks[name], weights) for name in sorted(blocks)}
        self._operands: list[_Operand] = []
        for name, design in self._designs.items():
            cells, place = np.unique(blocks[name].index, return_inverse=True)
            self._operands.append((design.matrix(blocks[name].features, cells), place))
        self._ends = np.cumsum([design.columns for design in self._designs.values()])

    def model(self, solution: np.ndarray) -> Additive:
        """`solution` [all P + 1, K]: the coefficients of one input after the other, then the intercept."""
        parts = np.split(solution, self._ends)
        coefficients = dict(zip(self._designs, parts[:-1], strict=True))
        return Additive(designs=self._designs, coefficients=coefficients, intercept=parts[-1][0])

    def fit(
        self,
        loss: Loss,
        width: int,
        *,
        seconds: float,
        rows: np.ndarray | None = None,
        start: np.ndarray | None = None,
    ) -> tuple[np.ndarray, bool]:
        """Minimise C * sum(weight * loss) + ||coefficients||^2 / 2 over the chosen rows by L-BFGS (Liu & Nocedal
        1989), which suits every smooth loss. The solution [all P + 1, K], and whether it was reached in time."""
        from scipy.optimize import minimize

        chosen = np.arange(len(self._weights)) if rows is None else rows
        operands = [(matrix, place[chosen]) for matrix, place in self._operands]
        objective = _Objective(operands, self._weights[chosen], loss, width, self._C)
        begin = time.process_time()

        def watch(intermediate_result: Any) -> None:
            if time.process_time() - begin > seconds:
                raise StopIteration

        first = np.zeros((self._ends[-1] + 1, width)) if start is None else start
        options = {"maxiter": self._max_iter, "gtol": 1e-5, "ftol": self._tol, "maxls": 50, "maxcor": 5}
        result = minimize(objective, first.reshape(-1), jac=True, method="L-BFGS-B", callback=watch, options=options)
        return result.x.reshape(-1, width), bool(result.success)


_Operand = tuple[Any, np.ndarray]
"""The design of one input's cells [U, P], and the cell of each row [N]."""


class _Objective:
    """Solution -> loss per weight of a row, with the penalty; and its slope."""

    def __init__(self, operands: list[_Operand], weights: np.ndarray, loss: Loss, width: int, C: float) -> None:
        from scipy.sparse import csr_matrix

        self._share = weights / weights.sum()
        self._ridge = 1.0 / (C * weights.sum())
        self._operands, self._loss, self._width = operands, loss, width
        self._ends = np.cumsum([matrix.shape[1] for matrix, _ in operands])
        ones, rows = np.ones(len(weights), np.float32), np.arange(len(weights))
        self._collect = [
            csr_matrix((ones, (place, rows)), shape=(matrix.shape[0], len(rows))) for matrix, place in operands
        ]

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        solution = flat.reshape(-1, self._width)
        parts = np.split(solution.astype(np.float32), self._ends)[:-1]  # as the features are: half the time
        scores = np.repeat(solution[-1:], len(self._share), axis=0)
        for (matrix, place), part in zip(self._operands, parts, strict=True):
            scores += (matrix @ part)[place]
        losses, slopes = self._loss(scores)
        slopes *= self._share[:, None]
        rounded = slopes.astype(np.float32)
        gradients = [
            matrix.T @ (collect @ rounded) for (matrix, _), collect in zip(self._operands, self._collect, strict=True)
        ]
        gradient = np.concatenate([*gradients, slopes.sum(0)[None]])
        gradient[:-1] += self._ridge * solution[:-1]
        penalty = self._ridge / 2 * (solution[:-1] ** 2).sum()
        return float(losses @ self._share + penalty), gradient.reshape(-1)
