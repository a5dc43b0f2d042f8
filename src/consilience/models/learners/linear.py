"""Linear models: multinomial logistic regression for classes, ridge regression for numbers; elastic net for both.

Knows inputs as blocks of features; the scaling is in design.py and the solver in additive.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.core.state import State
from consilience.models.base import Block, Goal, Learner
from consilience.models.learners.additive import Additive, Fitter, Loss, Solver
from consilience.models.learners.rows import collapse, softmax, spread


class Linear(Learner):
    """Softmax or identity of a weighted sum of all features."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        C: float = 1.0
        """How much the training rows count against the squared weights, per row; larger fits closer. Inputs are scaled
        (design.py) so that one value suits text, pictures and tables alike."""
        l1_ratio: float = 0.0
        """Elastic net: the share of the penalty that is on absolute weights (L1), which makes many exactly 0; the rest
        is on squared weights (L2). 0 to 1."""
        max_iter: int = 200
        """Steps of the solver, at most; fewer when the time does not allow them."""
        tol: float = 1e-4
        """The solver ends when a step lowers the loss by less than this share of it."""

        def __post_init__(self) -> None:
            if not self.C > 0:
                raise ValueError(f"C must be above 0, not {self.C}")
            if not 0 <= self.l1_ratio <= 1:
                raise ValueError(f"l1_ratio must be between 0 and 1, not {self.l1_ratio}")
            if self.max_iter < 1:
                raise ValueError(f"max_iter must be at least 1, not {self.max_iter}")

    def __init__(self, *, model: Additive, classes: np.ndarray, scale: np.ndarray, meta: dict[str, Any]) -> None:
        self._model, self._classes, self._scale, self._meta = model, classes, scale, meta

    @classmethod
    def fit(
        cls, config: Linear.Config, blocks: Mapping[str, Block], goal: Goal, *, seed: int, seconds: float
    ) -> Linear:
        blocks, goal = collapse(blocks, goal)
        how = Solver(C=config.C, max_iter=config.max_iter, tol=config.tol, l1_ratio=config.l1_ratio)
        fitter = Fitter(blocks, goal.weights, how)
        if goal.discrete:
            classes, number = np.unique(goal.target, return_inverse=True)
            scale = np.array([0.0, 1.0])
            loss: Loss = _Cross(number)
        else:
            classes = np.zeros(1, np.int64)
            mean = np.average(goal.target, weights=goal.weights)
            deviation = np.sqrt(np.average((goal.target - mean) ** 2, weights=goal.weights))
            scale = np.array([mean, deviation or 1.0])
            loss = _Squared((goal.target - scale[0]) / scale[1])
        solution, converged = fitter.fit(loss, len(classes), seconds=seconds)
        meta = {"width": goal.width, "discrete": goal.discrete, "converged": converged, "inputs": sorted(blocks)}
        return cls(model=fitter.model(solution), classes=classes, scale=scale, meta=meta)

    def predict(self, blocks: Mapping[str, Block]) -> np.ndarray:
        scores = self._model.scores(blocks)
        if self._meta["discrete"]:
            return spread(softmax(scores), self._classes, self._meta["width"])
        return self._scale[0] + self._scale[1] * scores

    def state(self) -> State:
        arrays = {**self._model.arrays(), "classes": self._classes, "scale": self._scale}
        return State(arrays=arrays, meta=dict(self._meta))

    @classmethod
    def restore(cls, state: State) -> Linear:
        model = Additive.restore(state.arrays, state.meta["inputs"])
        return cls(model=model, classes=state.arrays["classes"], scale=state.arrays["scale"], meta=dict(state.meta))


class _Cross:
    """Cross entropy of the softmax of the scores."""

    def __init__(self, number: np.ndarray) -> None:
        self._at = np.arange(len(number)), number

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores -= scores.max(1, keepdims=True)
        own = scores[self._at]
        slopes = np.exp(scores, out=scores)
        sums = slopes.sum(1, keepdims=True)
        slopes /= sums
        slopes[self._at] -= 1.0
        return np.log(sums[:, 0]) - own, slopes


class _Squared:
    def __init__(self, target: np.ndarray) -> None:
        self._target = target[:, None]

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error = scores - self._target
        return 0.5 * error[:, 0] ** 2, error
