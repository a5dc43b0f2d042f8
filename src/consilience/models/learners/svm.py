"""Linear support vector machines: one against the rest for classes, epsilon-insensitive for numbers.

Knows inputs as blocks of features; the scaling is in design.py, the solver in additive.py, and in margins.py how
margins become probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.core.state import State
from consilience.models.base import Block, Goal, Learner
from consilience.models.learners.additive import Additive, Fitter, Solver
from consilience.models.learners.margins import Hinge, Insensitive, calibrate, centre_and_deviation
from consilience.models.learners.rows import collapse, softmax, spread


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
        aside = config.holdout if goal.discrete else 0.0
        blocks, goal, held = collapse(blocks, goal, aside=aside, seed=seed)
        fitter = Fitter(blocks, goal.weights)
        how = Solver(C=config.C, max_iter=config.max_iter, tol=config.tol)
        if goal.discrete:
            classes, number = np.unique(goal.target, return_inverse=True)
            width = len(classes)
            kept = np.flatnonzero(~held)
            solution, _ = fitter.fit(Hinge(number[kept], width), width, how, rows=kept, seconds=seconds / 2)
            # Of a class that only held-out rows have, the margin says nothing.
            judged = np.flatnonzero(held & np.isin(number, number[kept]))
            margins = fitter.model(solution).scores({name: block.take(judged) for name, block in blocks.items()})
            slope, offset = calibrate(margins, number[judged], goal.weights[judged])
            # The second run starts where the first ended, which makes it short.
            solution, converged = fitter.fit(Hinge(number, width), width, how, start=solution, seconds=seconds / 2)
        else:
            classes = np.zeros(1, np.int64)
            centre, deviation = centre_and_deviation(goal.target, goal.weights)
            slope, offset = np.array([deviation]), np.array([centre])
            loss = Insensitive((goal.target - centre) / deviation, config.epsilon)
            solution, converged = fitter.fit(loss, 1, how, seconds=seconds)
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
