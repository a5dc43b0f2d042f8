"""A forest together with what it looks at: from blocks of features to sums of leaf values, and to disk and back.

Knows no learner. Also how trees that another library fitted become ours, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from importlib.metadata import version

import numpy as np

from consilience.core.errors import ConsilienceError
from consilience.core.state import State
from consilience.models.base import Block, Goal
from consilience.models.learners.forest import Evaluator, Forest
from consilience.models.learners.rows import distinct
from consilience.models.learners.sight import Sight

_CHUNK = 1024
"""Rows whose features are laid out at once when predicting."""
_CHECKED = 512
"""Training rows on which the copied trees must give the original's own answers."""


class Grove:
    """A forest and its sight; what no tree asks about is left out."""

    def __init__(self, forest: Forest, sight: Sight) -> None:
        self.used, place = np.unique(forest.column[forest.left >= 0], return_inverse=True)
        column = np.zeros_like(forest.column)
        column[forest.left >= 0] = place
        self._forest, self._sight = replace(forest, column=column), sight.keep(self.used)
        self._evaluator = Evaluator(self._forest)

    def sums(self, blocks: Mapping[str, Block]) -> np.ndarray:
        """[N, C] float64. Rows of the same cells are evaluated once."""
        count = len(next(iter(blocks.values())).index)
        first, kind = distinct([blocks[name].index for name in self._sight.inputs], count)
        sums = [
            self._evaluator.sum(self._sight.matrix(blocks, first[begin : begin + _CHUNK]))
            for begin in range(0, len(first), _CHUNK)
        ]
        return (np.concatenate(sums) if sums else np.zeros((0, len(self._forest.baseline))))[kind]

    def some(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some rows of the whole matrix the forest was fitted on, and their sums: to compare with the original's."""
        rows = matrix[np.linspace(0, len(matrix) - 1, min(len(matrix), _CHECKED)).astype(np.int64)]
        return rows, self._evaluator.sum(rows[:, self.used])

    def state(self) -> State:
        arrays = {f"forest.{f.name}": getattr(self._forest, f.name) for f in fields(Forest)}
        sight = self._sight
        meta = {"inputs": list(sight.columns), "measured": list(sight.measured), "told": list(sight.told)}
        return State(arrays=arrays | sight.arrays(), meta=meta)

    @classmethod
    def restore(cls, state: State) -> Grove:
        told, measured = (state.meta.get(key, ()) for key in ("told", "measured"))  # earlier ones have none
        sight = Sight.restore(state.arrays, state.meta["inputs"], told, measured)
        return cls(Forest(**{f.name: state.arrays[f"forest.{f.name}"] for f in fields(Forest)}), sight)


def no_trees(baseline: np.ndarray, *, per_answer: bool = False) -> Forest:
    """A forest that answers every row with `baseline` [C]. `per_answer`: as one whose leaves hold C values."""
    empty = {name: np.zeros(0, np.int32) for name in ("column", "left", "right")}
    return Forest(
        **empty,
        threshold=np.zeros(0, np.float32),
        missing_left=np.zeros(0, bool),
        value=np.zeros((0, len(baseline))) if per_answer else np.zeros(0),
        start=np.zeros(1, np.int64),
        baseline=baseline,
    )


def as_float32(threshold: np.ndarray) -> np.ndarray:
    """Columns are float32 here and float64 there. x <= t for a float32 x means the same for the nearest float32 below
    t, which may be infinite."""
    with np.errstate(over="ignore"):
        rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def shares(goal: Goal, classes: np.ndarray) -> np.ndarray:
    """[len(classes)]: how much of the weight each class has."""
    held = np.array([goal.weights[goal.target == c].sum() for c in classes])
    return np.asarray(held / held.sum())


def refuse_unequal(ours: np.ndarray, theirs: np.ndarray, learner: str, *, package: str) -> None:
    """Refuse a copy that does not answer training rows as the original of `package` does."""
    if not np.allclose(ours, theirs, rtol=1e-9, atol=1e-12):
        raise ConsilienceError(
            f"the trees that {package} {version(package)} fitted could not be copied: the copy answers differently. "
            "This version keeps its trees in a way we do not know; please report it, and install another version or "
            f"leave the learner {learner!r} out."
        )
