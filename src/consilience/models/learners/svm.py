"""Linear support vector machines: one against the rest for classes, epsilon-insensitive for numbers.

Knows inputs as blocks of features; the scaling is in design.py and the solver in additive.py. Margins become
probabilities by a softmax with one slope and an offset per class, fitted on rows the machine has not seen (Platt
1999, for many classes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.core.seeding import generator
from consilience.core.state import State
from consilience.models.base import Block, Goal, Learner
from consilience.models.learners.additive import Additive, Fitter
from consilience.models.learners.rows import collapse, softmax, spread

_SLOPE = 3.0
"""What the slope is taken to be before any row is seen: a margin of 1 against -1 is then near certainty."""
_ROBUST = 1.0
"""Errors beyond epsilon by more than this many deviations of the target pull with constant force."""


class Svm(Learner):
    """The squared hinge for classes, a rounded epsilon-insensitive loss for numbers."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        C: float = 0.05
        """How much the training rows count against the squared weights, per row; larger fits closer."""
        epsilon: float = 0.1
        """For numbers: errors up to this are none, in (robust) deviations of the target."""
        holdout: float = 0.2
        """For classes: the share of the training rows that turns margins into probabilities."""
        max_iter: int = 200
        """Steps of the solver in each of its two runs, at most; fewer when the time does not allow them."""
        tol: float = 1e-4
        """The solver ends when a step lowers the loss by less than this share of it."""

        def __post_init__(self) -> None:
            if not self.C > 0:
                raise ValueError(f"C must be above 0, not {self.C}")
            if not self.epsilon >= 0:
                raise ValueError(f"epsilon must be at least 0, not {self.epsilon}")
            if not 0 < self.holdout < 1:
                raise ValueError(f"holdout must be between 0 and 1, not {self.holdout}")
            if self.max_iter < 1:
                raise ValueError(f"max_iter must be at least 1, not {self.max_iter}")

    def __init__(
        self, *, model: Additive, classes: np.ndarray, slope: np.ndarray, offset: np.ndarray, meta: dict[str, Any]
    ) -> None:
        self._model, self._classes, self._slope, self._offset, self._meta = model, classes, slope, offset, meta

    @classmethod
    def fit(cls, config: Svm.Config, blocks: Mapping[str, Block], goal: Goal, *, seed: int, seconds: float) -> Svm:
        blocks, goal = collapse(blocks, goal)
        fitter = Fitter(blocks, goal.weights, C=config.C, max_iter=config.max_iter, tol=config.tol)
        if goal.discrete:
            classes, number = np.unique(goal.target, return_inverse=True)
            width = len(classes)
            held = _hold_out(blocks, config.holdout, seed)
            kept = np.flatnonzero(~held)
            solution, _ = fitter.fit(_Hinge(number[kept], width), width, rows=kept, seconds=seconds / 2)
            # Of a class that only held-out rows have, the margin says nothing.
            judged = np.flatnonzero(held & np.isin(number, number[kept]))
            margins = fitter.model(solution).scores({name: block.take(judged) for name, block in blocks.items()})
            slope, offset = _calibrate(margins, number[judged], goal.weights[judged])
            # The second run starts where the first ended, which makes it short.
            solution, converged = fitter.fit(_Hinge(number, width), width, start=solution, seconds=seconds / 2)
        else:
            classes = np.zeros(1, np.int64)
            centre, deviation = _centre_and_deviation(goal.target, goal.weights)
            slope, offset = np.array([deviation]), np.array([centre])
            loss = _Insensitive((goal.target - centre) / deviation, config.epsilon)
            solution, converged = fitter.fit(loss, 1, seconds=seconds)
        meta = {"width": goal.width, "discrete": goal.discrete, "converged": converged, "inputs": sorted(blocks)}
        return cls(model=fitter.model(solution), classes=classes, slope=slope, offset=offset, meta=meta)

    def predict(self, blocks: Mapping[str, Block]) -> np.ndarray:
        scores = self._slope * self._model.scores(blocks) + self._offset
        return spread(softmax(scores), self._classes, self._meta["width"]) if self._meta["discrete"] else scores

    def state(self) -> State:
        arrays = {"classes": self._classes, "slope": self._slope, "offset": self._offset}
        return State(arrays={**self._model.arrays(), **arrays}, meta=dict(self._meta))

    @classmethod
    def restore(cls, state: State) -> Svm:
        model = Additive.restore(state.arrays, state.meta["inputs"])
        fitted = {name: state.arrays[name] for name in ("classes", "slope", "offset")}
        return cls(model=model, meta=dict(state.meta), **fitted)


def _hold_out(blocks: Mapping[str, Block], share: float, seed: int) -> np.ndarray:
    """[N] bool: rows set aside. Rows that share a cell stay together, in the input whose cells have the fewest rows:
    rows of one picture are not independent. Missing cells are nobody's companions."""
    cells = {}
    for name in sorted(blocks):
        block = blocks[name]
        there = block.features.present[block.index]
        alone = len(block.features.present) + np.arange(len(there))
        cells[name] = np.unique(np.where(there, block.index, alone), return_inverse=True)[1]
    group = max(cells.values(), key=lambda numbers: int(numbers.max()))
    drawn = generator(seed, "svm", "holdout").permutation(int(group.max()) + 1)
    return (drawn < min(round(share * len(drawn)), len(drawn) - 1))[group]


def _calibrate(margins: np.ndarray, number: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope [1] and offsets [K] of the softmax with the least log loss, with a mild pull to `_SLOPE` and 0 that
    decides where there are few rows."""
    from scipy.optimize import minimize

    at = np.arange(len(number)), number

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        slope = _SLOPE * np.exp(flat[0])
        chances = softmax(slope * margins + flat[1:])
        loss = -weights @ np.log(np.maximum(chances[at], 1e-300))
        chances[at] -= 1.0
        chances *= weights[:, None]
        pull = np.concatenate([[slope * (chances * margins).sum()], chances.sum(0)])
        return loss + 0.5 * (flat**2).sum(), pull + flat

    result = minimize(objective, np.zeros(margins.shape[1] + 1), jac=True, method="L-BFGS-B")
    return _SLOPE * np.exp(result.x[:1]), result.x[1:]


def _centre_and_deviation(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Median, and the deviation as the median distance from it tells: a few outliers move neither."""

    def median(numbers: np.ndarray) -> float:
        order = np.argsort(numbers, kind="stable")
        total = np.cumsum(weights[order])
        return float(numbers[order][np.searchsorted(total, total[-1] / 2)])

    centre = median(values)
    distance = np.abs(values - centre)
    # 1.4826: of a normal distribution. Where half of the targets are one number, the mean distance has to do.
    return centre, 1.4826 * median(distance) or float(np.average(distance, weights=weights)) or 1.0


class _Hinge:
    """Squared hinge of each class against the rest."""

    def __init__(self, number: np.ndarray, width: int) -> None:
        self._sign = np.where(number[:, None] == np.arange(width), 1.0, -1.0)

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        short = np.maximum(1.0 - self._sign * scores, 0.0)
        return (short**2).sum(1), -2.0 * self._sign * short


class _Insensitive:
    """Nothing up to epsilon, squared up to `_ROBUST` beyond it, straight from there: smooth, and outliers are borne."""

    def __init__(self, target: np.ndarray, epsilon: float) -> None:
        self._target, self._epsilon = target[:, None], epsilon

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error = scores - self._target
        beyond = np.maximum(np.abs(error) - self._epsilon, 0.0)
        near = np.minimum(beyond, _ROBUST)
        return (near * (beyond - 0.5 * near))[:, 0], np.sign(error) * near
