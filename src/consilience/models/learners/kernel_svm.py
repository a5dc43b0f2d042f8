"""Support vector machines with kernels: what no straight line tells apart, curves do.

Rows are compared with landmarks, rows of the training table that are kept in the model. When the table has no more
distinct rows than landmarks are allowed, this is the exact machine (the solution is a sum over training rows,
Kimeldorf & Wahba 1971). Of a larger one some rows are drawn as landmarks, and all rows are fitted in the space these
span (Nystroem's method, Williams & Seeger 2001). No row is left out, and the cost grows with rows times landmarks.

The likeness is in kernels.py, the solver in additive.py, and in margins.py how margins become probabilities.

Shape legend: N rows, M landmarks, K answers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from consilience.core.seeding import generator
from consilience.core.state import State
from consilience.models.base import Block, Goal, Learner
from consilience.models.learners.additive import Solver, minimise
from consilience.models.learners.kernels import Kernel, Side
from consilience.models.learners.margins import Hinge, Insensitive, calibrate, centre_and_deviation
from consilience.models.learners.rows import collapse, distinct, softmax, spread

_NUMBERS = 50_000_000
"""Rows times landmarks, at most (4 bytes each): more rows than that allows have fewer landmarks."""
_FEWEST = 16
"""Landmarks in any case."""
_SPEED = 2e9
"""Products of two numbers a second that any machine computes."""


class KernelSvm(Learner):
    """The squared hinge for classes, a rounded epsilon-insensitive loss for numbers."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        kernel: Literal["rbf", "polynomial"] = "rbf"
        """How alike two rows are: by their distance (rbf), or by products of up to `degree` of their numbers."""
        gamma: float = 0.5
        """How quickly likeness falls with distance, or how much products count; larger bends more. The mean squared
        distance of two rows is 2, whatever the inputs."""
        degree: int = 3
        """Of the polynomial kernel."""
        C: float = 1.0
        """How much the training rows count against the smoothness, per row; larger fits closer."""
        landmarks: int = 1000
        """Rows the others are compared with, at most; they are stored in the model. Fewer where the table is so large
        that rows times landmarks would pass 50 million, or where the time does not allow them."""
        epsilon: float = 0.1
        """For numbers: errors up to this are none, in (robust) deviations of the target."""
        holdout: float = 0.2
        """For classes: the share of the training rows that turns margins into probabilities."""
        max_iter: int = 200
        """Steps of the solver in each of its two runs, at most; fewer when the time does not allow them."""
        tol: float = 1e-4
        """The solver ends when a step lowers the loss by less than this share of it."""

        def __post_init__(self) -> None:
            for name in ("C", "gamma"):
                if not getattr(self, name) > 0:
                    raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
            for name in ("degree", "landmarks", "max_iter"):
                if getattr(self, name) < 1:
                    raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
            if not self.epsilon >= 0:
                raise ValueError(f"epsilon must be at least 0, not {self.epsilon}")
            if not 0 < self.holdout < 1:
                raise ValueError(f"holdout must be between 0 and 1, not {self.holdout}")

    def __init__(self, *, sides: dict[str, Side], arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """`arrays`: coefficients [M, K], intercept [K], classes [K], slope [1] and offset [K]."""
        self._sides, self._arrays, self._meta = sides, arrays, meta
        self._kernel = Kernel(kind=meta["kernel"], gamma=meta["gamma"], degree=meta["degree"])

    @classmethod
    def fit(
        cls, config: KernelSvm.Config, blocks: Mapping[str, Block], goal: Goal, *, seed: int, seconds: float
    ) -> KernelSvm:
        begin = time.monotonic()
        aside = config.holdout if goal.discrete else 0.0
        blocks, goal, held = collapse(blocks, goal, aside=aside, seed=seed)
        chosen, enough = _landmarks(config, blocks, seed=seed, seconds=seconds)
        sides = {name: Side.fit(blocks[name], goal.weights, chosen) for name in sorted(blocks)}
        kernel = Kernel(kind=config.kernel, gamma=config.gamma, degree=config.degree)
        likeness = kernel.between(blocks, sides)
        whiten = _whitening(likeness[chosen])
        rows = (likeness @ whiten).astype(np.float32), np.arange(len(goal.target))
        machine = _Machine(config, rows, goal.weights, left=lambda: seconds - (time.monotonic() - begin))
        fitted = machine.classes(goal, held) if goal.discrete else machine.numbers(goal)
        solution = fitted.pop("solution")
        arrays = {"coefficients": whiten @ solution[:-1], "intercept": solution[-1], **fitted}
        converged = machine.converged and enough
        meta: dict[str, Any] = {"width": goal.width, "discrete": goal.discrete, "converged": converged}
        meta |= {"kernel": config.kernel, "gamma": config.gamma, "degree": config.degree, "inputs": sorted(blocks)}
        return cls(sides=sides, arrays=arrays, meta=meta)

    def predict(self, blocks: Mapping[str, Block]) -> np.ndarray:
        first, kind = distinct([blocks[name].index for name in self._sides], len(next(iter(blocks.values())).index))
        likeness = self._kernel.between({name: blocks[name].take(first) for name in self._sides}, self._sides)
        margins = likeness @ self._arrays["coefficients"] + self._arrays["intercept"]
        scores = (self._arrays["slope"] * margins + self._arrays["offset"])[kind]
        if not self._meta["discrete"]:
            return np.asarray(scores)
        return spread(softmax(scores), self._arrays["classes"], self._meta["width"])

    def state(self) -> State:
        arrays = dict(self._arrays)
        for i, side in enumerate(self._sides.values()):
            arrays |= {f"{i}.{name}": array for name, array in side.arrays().items()}
        return State(arrays=arrays, meta=dict(self._meta))

    @classmethod
    def restore(cls, state: State) -> KernelSvm:
        sides = {}
        for i, name in enumerate(state.meta["inputs"]):
            mine = {key.removeprefix(f"{i}."): a for key, a in state.arrays.items() if key.startswith(f"{i}.")}
            sides[name] = Side.restore(mine)
        own = ("coefficients", "intercept", "classes", "slope", "offset")
        return cls(sides=sides, arrays={name: state.arrays[name] for name in own}, meta=dict(state.meta))


def _landmarks(
    config: KernelSvm.Config, blocks: Mapping[str, Block], *, seed: int, seconds: float
) -> tuple[np.ndarray, bool]:
    """Numbers of distinct rows [M], ascending; and whether the time allowed as many as there should be."""
    rows = len(next(iter(blocks.values())).index)
    first, _ = distinct([blocks[name].index for name in sorted(blocks)], rows)
    most = count = min(config.landmarks, max(_FEWEST, _NUMBERS // rows), len(first))
    numbers = sum(block.features.matrix.shape[1] for block in blocks.values())
    # Likenesses, and their coordinates in the landmarks' space; half of the time, the other half is the solver's.
    while count > _FEWEST and rows * count * (min(numbers, 1000) + count) / _SPEED > seconds / 2:
        count = max(_FEWEST, count * 3 // 4)
    drawn = generator(seed, "kernel svm", "landmarks").permutation(len(first))[:count]
    return np.sort(first[drawn]), count == most


def _whitening(likeness: np.ndarray) -> np.ndarray:
    """[M, M] -> [M, R]: what makes likenesses with landmarks coordinates, of which nothing that is only rounding."""
    values, vectors = np.linalg.eigh(likeness)
    kept = values > 1e-6 * max(values.max(), 1e-300)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


class _Machine:
    """The linear machine in the space the landmarks span."""

    def __init__(self, config: KernelSvm.Config, rows: Any, weights: np.ndarray, *, left: Any) -> None:
        self.how = Solver(C=config.C, max_iter=config.max_iter, tol=config.tol)
        self.epsilon, self.rows, self.weights, self.left = config.epsilon, rows, weights, left
        self.converged = False

    def classes(self, goal: Goal, held: np.ndarray) -> dict[str, np.ndarray]:
        classes, number = np.unique(goal.target, return_inverse=True)
        width, kept = len(classes), np.flatnonzero(~held)
        solution = self._fit(Hinge(number[kept], width), width, kept, share=0.5)
        # Of a class that only held-out rows have, the margin says nothing.
        judged = np.flatnonzero(held & np.isin(number, number[kept]))
        margins = self.rows[0][judged].astype(np.float64) @ solution[:-1] + solution[-1]
        slope, offset = calibrate(margins, number[judged], goal.weights[judged])
        # The second run starts where the first ended, which makes it short.
        solution = self._fit(Hinge(number, width), width, np.arange(len(number)), start=solution)
        return {"solution": solution, "classes": classes, "slope": slope, "offset": offset}

    def numbers(self, goal: Goal) -> dict[str, np.ndarray]:
        centre, deviation = centre_and_deviation(goal.target, goal.weights)
        loss = Insensitive((goal.target - centre) / deviation, self.epsilon)
        solution = self._fit(loss, 1, np.arange(len(goal.target)))
        slope, offset = np.array([deviation]), np.array([centre])
        return {"solution": solution, "classes": np.zeros(1, np.int64), "slope": slope, "offset": offset}

    def _fit(
        self, loss: Any, width: int, rows: np.ndarray, *, share: float = 1.0, start: np.ndarray | None = None
    ) -> np.ndarray:
        matrix, place = self.rows
        solution, self.converged = minimise(
            [(matrix, place[rows])], self.weights[rows], loss, width, self.how, seconds=share * self.left(), start=start
        )
        return solution
