"""Linear models: multinomial logistic regression for classes, ridge regression for numbers; elastic net for both.

Knows inputs as blocks of features; the scaling is in design.py and the solver in additive.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from consilience.core.compare import clearly
from consilience.core.state import State
from consilience.models.base import Block, Goal, Learner
from consilience.models.learners.additive import Additive, Fitter, Loss, Solver
from consilience.models.learners.rows import collapse, softmax, spread

_PATH = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Where C is looked for. Thousands of short texts want 100, a few hundred rows of numbers 1."""
_HELD_OUT = 0.2
"""The share of the rows it is judged on."""


class Linear(Learner):
    """Softmax or identity of a weighted sum of all features."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        C: float = 0.0
        """How much the training rows count against the squared weights, per row; larger fits closer. 0: found by
        fitting without a fifth of the rows, from 1 upwards in steps of about 3 for as long as the loss on that fifth
        clearly falls, up to 100."""
        l1_ratio: float = 0.0
        """Elastic net: the share of the penalty that is on absolute weights (L1), which makes many exactly 0; the rest
        is on squared weights (L2). 0 to 1."""
        relevance: float = 0.5
        """How far the penalty spares sparse columns (runs of words and letters) whose presence tells of the answer on
        the training rows, at the cost of the others: 0 treats all alike; below 1."""
        max_iter: int = 200
        """Steps of the solver, at most; fewer when the time does not allow them."""
        tol: float = 1e-4
        """The solver ends when a step lowers the loss by less than this share of it."""

        def __post_init__(self) -> None:
            if not self.C >= 0:
                raise ValueError(f"C must be at least 0, not {self.C}")
            if not 0 <= self.l1_ratio <= 1:
                raise ValueError(f"l1_ratio must be between 0 and 1, not {self.l1_ratio}")
            if not 0 <= self.relevance < 1:
                raise ValueError(f"relevance must be at least 0 and below 1, not {self.relevance}")
            if self.max_iter < 1:
                raise ValueError(f"max_iter must be at least 1, not {self.max_iter}")

    def __init__(self, *, model: Additive, classes: np.ndarray, scale: np.ndarray, meta: dict[str, Any]) -> None:
        self._model, self._classes, self._scale, self._meta = model, classes, scale, meta

    @classmethod
    def fit(
        cls, config: Linear.Config, blocks: Mapping[str, Block], goal: Goal, *, seed: int, seconds: float
    ) -> Linear:
        begin = time.monotonic()
        blocks, goal, held = collapse(blocks, goal, aside=0.0 if config.C else _HELD_OUT, seed=seed)
        if goal.discrete:
            classes, number = np.unique(goal.target, return_inverse=True)
            scale = np.array([0.0, 1.0])
        else:
            classes = np.zeros(1, np.int64)
            mean = np.average(goal.target, weights=goal.weights)
            deviation = np.sqrt(np.average((goal.target - mean) ** 2, weights=goal.weights))
            scale = np.array([mean, deviation or 1.0])

        known = number if goal.discrete else (goal.target - scale[0]) / scale[1]
        fitter = Fitter(blocks, goal.weights, merge=not config.l1_ratio)
        problem = _Problem(
            fitter=fitter, known=known, discrete=goal.discrete, width=len(classes), share=config.relevance
        )
        how = Solver(C=config.C, max_iter=config.max_iter, tol=config.tol, l1_ratio=config.l1_ratio)
        start = None
        if not config.C:
            how, start = _find(problem, how, blocks, goal, held, seconds=seconds / 2)
        left = seconds - (time.monotonic() - begin)
        solution, converged = problem.on(np.arange(len(known)))(how, start, left)
        meta = {"width": goal.width, "discrete": goal.discrete, "converged": converged, "inputs": sorted(blocks)}
        return cls(model=fitter.model(solution), classes=classes, scale=scale, meta={**meta, "C": how.C})

    def settled(self, config: Linear.Config) -> Linear.Config:
        return replace(config, C=self._meta["C"])

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


Fit = Callable[[Solver, np.ndarray | None, float], tuple[np.ndarray, bool]]
"""(how, where to start, seconds) -> the solution, and whether it was reached in time."""


@dataclass(frozen=True, kw_only=True)
class _Problem:
    fitter: Fitter
    known: np.ndarray
    """[N] class numbers from 0, or numbers of mean 0 and deviation 1"""
    discrete: bool
    width: int
    share: float
    """See `penalty_factors`."""

    def loss(self, rows: np.ndarray) -> Loss:
        return _Cross(self.known[rows], self.width) if self.discrete else _Squared(self.known[rows])

    def on(self, rows: np.ndarray) -> Fit:
        """How to fit on some rows: nothing of the others is looked at, not even for the penalty."""
        factors = self.fitter.factors(self.known[rows], rows, discrete=self.discrete, share=self.share)

        def fit(how: Solver, start: np.ndarray | None, seconds: float) -> tuple[np.ndarray, bool]:
            given: Any = {"rows": rows, "start": start, "seconds": seconds, "factors": factors}
            return self.fitter.fit(self.loss(rows), self.width, how, **given)

        return fit


def _find(
    problem: _Problem, how: Solver, blocks: Mapping[str, Block], goal: Goal, held: np.ndarray, *, seconds: float
) -> tuple[Solver, np.ndarray | None]:
    """`how` with the first C of `_PATH` that the next one does not clearly better on the rows `held` out [N], and where
    its fit ended."""
    begin = time.monotonic()
    kept = np.flatnonzero(~held)
    # Of a class that only held-out rows have, the scores say nothing.
    judged = np.flatnonzero(held & (np.isin(goal.target, goal.target[kept]) if goal.discrete else True))
    asked = {name: block.take(judged) for name, block in blocks.items()}
    best, start, errors = replace(how, C=_PATH[0]), None, None
    fit = problem.on(kept)
    for C in _PATH if len(judged) else ():
        tried = replace(how, C=C)
        solution, _ = fit(tried, start, seconds)
        now = problem.loss(judged)(problem.fitter.model(solution).scores(asked))[0]
        if errors is not None and not clearly(errors - now, goal.weights[judged]):
            break
        best, start, errors = tried, solution, now
        if time.monotonic() - begin > seconds:
            break
    return best, start


class _Cross:
    """Cross entropy of the softmax of the scores."""

    def __init__(self, number: np.ndarray, width: int) -> None:
        self._at = np.arange(len(number)), number
        self.curvature = 0.5 / width  # p (1 - p) where the answer is half certain

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores -= scores.max(1, keepdims=True)
        own = scores[self._at]
        slopes = np.exp(scores, out=scores)
        sums = slopes.sum(1, keepdims=True)
        slopes /= sums
        slopes[self._at] -= 1.0
        return np.log(sums[:, 0]) - own, slopes


class _Squared:
    curvature = 1.0

    def __init__(self, target: np.ndarray) -> None:
        self._target = target[:, None]

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error = scores - self._target
        return 0.5 * error[:, 0] ** 2, error
