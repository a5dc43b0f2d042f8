"""Gradient-boosted trees, fitted by LightGBM (Ke et al., NeurIPS 2017).

Predicts with `Forest`, our own copy of the trees; knows columns of numbers and no modality.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from consilience.core.seeding import derive
from consilience.core.state import State
from consilience.models.base import Block, Goal, Learner
from consilience.models.learners.boosting import Rows, boost, forest_of
from consilience.models.learners.forest import Forest
from consilience.models.learners.grove import Grove, no_trees, refuse_unequal, shares
from consilience.models.learners.rows import hold_out, softmax, spread
from consilience.models.learners.sight import NOTHING, Sight

_HELD_OUT = 0.1
"""Share of the rows that early stopping holds out, about."""


class Trees(Learner):
    """One tree per class and round of boosting (one per round for two classes and for numbers)."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        max_iter: int = 30
        """Rounds of boosting; fewer when the time does not allow them."""
        learning_rate: float = 0.2
        """How much of each round's step is taken."""
        max_leaf_nodes: int = 31
        """Leaves of a tree, at most."""
        rows_per_leaf: int = 28
        """The trees of one round together (one per class) have no more leaves than one per this many training rows,
        but 8 each in any case: on few rows of many classes, large trees learn the rows by heart."""
        min_samples_leaf: int = 20
        """Training rows in a leaf, about, at least: counted by their weight, and of classes by how undecided they
        are."""
        l2: float = 3.0
        """Penalty on the squared leaf values, in units of rows; with none, leaves of rare classes explode."""
        sparse_columns: int = 32
        """Columns kept of a sparse input, the most telling ones that enough rows have; dense inputs keep all. Fewer on
        a table so large that they would fill the memory."""
        evidence: int = 32
        """Classes at most of which trees are shown what all columns of a sparse input together say (naive Bayes; of a
        training row, what other rows say). With more classes, the most frequent ones; of two classes, and of numbers,
        one number says it. 0: none."""
        max_bins: int = 63
        """Distinct values of a column that are told apart, 2 to 255. 63 cost half of what 255 do and lose little."""
        early_stopping: bool = False
        """Hold out about 10 % of the rows, those of one group together, and stop when they no longer gain; not where a
        class has fewer than 10 rows or would be held out whole, nor where groups are too few or too large."""

        def __post_init__(self) -> None:
            lowest = {
                "max_iter": 1,
                "max_leaf_nodes": 2,
                "rows_per_leaf": 1,
                "min_samples_leaf": 1,
                "l2": 0,
                "sparse_columns": 0,
                "evidence": 0,
                "max_bins": 2,
            }
            for name, least in lowest.items():
                if getattr(self, name) < least:
                    raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
            if self.max_bins > 255:
                raise ValueError(f"max_bins must be at most 255, not {self.max_bins}")
            if not self.learning_rate > 0:
                raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")

    def __init__(self, *, grove: Grove, classes: np.ndarray, meta: dict[str, Any]) -> None:
        self._grove, self._classes, self._meta = grove, classes, meta

    @classmethod
    def fit(cls, config: Trees.Config, blocks: Mapping[str, Block], goal: Goal, *, seed: int, seconds: float) -> Trees:
        begin = time.monotonic()
        counted = np.flatnonzero(goal.weights > 0)
        blocks = {name: block.take(counted) for name, block in blocks.items()}
        goal = goal.take(counted)
        classes = np.unique(goal.target) if goal.discrete else np.zeros(1, np.int64)
        meta = {"width": goal.width, "discrete": goal.discrete}
        limits = {"sparse": config.sparse_columns, "evidence": config.evidence, "least": config.min_samples_leaf}
        sight, matrix = Sight.fit(blocks, goal, **limits, seed=seed)
        # LightGBM keeps targets as float32: classes by their number, numbers in units of their spread.
        middle, unit = (0.0, 1.0) if goal.discrete else _standard(goal)
        constant = len(classes) == 1 if goal.discrete else unit < np.finfo(np.float64).tiny
        if matrix.shape[1] == 0 or constant:
            return cls(grove=Grove(_constant(goal, classes), NOTHING), classes=classes, meta={**meta, "iterations": 0})
        target = np.searchsorted(classes, goal.target) if goal.discrete else (goal.target - middle) / unit
        rows = Rows(
            matrix=matrix,
            target=target,
            classes=len(classes) if goal.discrete else 0,
            weights=None if (goal.weights == 1).all() else goal.weights,
            held=_held_out(config, blocks, goal, seed),
        )
        left = seconds - (time.monotonic() - begin)
        model = boost(rows, _settings(config, rows, seed), rounds=config.max_iter, seconds=left)
        forest = forest_of(model, matrix)
        outputs = len(forest.baseline)
        grove = Grove(replace(forest, value=forest.value * unit, baseline=np.full(outputs, middle)), sight)
        some, sums = grove.some(matrix)
        theirs = model.predict(some, raw_score=True, num_threads=1).reshape(len(some), outputs)
        refuse_unequal(sums / unit, theirs + middle / unit, "trees", package="lightgbm")
        return cls(grove=grove, classes=classes, meta={**meta, "iterations": forest.trees // outputs})

    def predict(self, blocks: Mapping[str, Block]) -> np.ndarray:
        return self._answer(self._grove.sums(blocks))

    def _answer(self, sums: np.ndarray) -> np.ndarray:
        if not self._meta["discrete"]:
            return sums
        if sums.shape[1] < len(self._classes):  # two classes: one sum, the log odds of the second
            # expit without overflow: exp is only taken of what is not positive.
            small = np.exp(-np.abs(sums))
            second = np.where(sums >= 0, 1.0, small) / (1.0 + small)
            return spread(np.concatenate([1.0 - second, second], axis=1), self._classes, self._meta["width"])
        return spread(softmax(sums), self._classes, self._meta["width"])

    def state(self) -> State:
        grove = self._grove.state()
        return State(arrays={**grove.arrays, "classes": self._classes}, meta={**self._meta, **grove.meta})

    @classmethod
    def restore(cls, state: State) -> Trees:
        return cls(grove=Grove.restore(state), classes=state.arrays["classes"], meta=dict(state.meta))


def _settings(config: Trees.Config, rows: Rows, seed: int) -> dict[str, Any]:
    """By LightGBM's names."""
    learnt, at_once = np.count_nonzero(~rows.held), rows.classes if rows.classes > 2 else 1
    return {
        "learning_rate": config.learning_rate,
        "num_leaves": min(config.max_leaf_nodes, max(8, learnt // (config.rows_per_leaf * at_once))),
        "min_data_in_leaf": config.min_samples_leaf,
        "lambda_l2": config.l2,
        "max_bin": config.max_bins,
        "seed": derive(seed, "trees") % 2**31,
    }


def _held_out(config: Trees.Config, blocks: Mapping[str, Block], goal: Goal, seed: int) -> np.ndarray:
    """[N] bool: rows that tell when to stop early. None where they would be too many, or all of a class."""
    nothing = np.zeros(len(goal.target), bool)
    if not config.early_stopping or (goal.discrete and np.unique(goal.target, return_counts=True)[1].min() < 10):
        return nothing
    held = hold_out(blocks, goal, _HELD_OUT, seed)
    lost = goal.discrete and not np.isin(goal.target, goal.target[~held]).all()
    return nothing if lost or held.mean() > 3 * _HELD_OUT else held


def _standard(goal: Goal) -> tuple[float, float]:
    """Mean and spread of the target."""
    mean = np.average(goal.target, weights=goal.weights)
    away = goal.target - mean
    farthest = np.abs(away).max() or 1.0  # the square of a tiny or huge number is none
    return float(mean), float(farthest * np.sqrt(np.average((away / farthest) ** 2, weights=goal.weights)))


def _constant(goal: Goal, classes: np.ndarray) -> Forest:
    """No tree at all: how frequent the classes are, or the mean."""
    if not goal.discrete:
        return no_trees(np.array([np.average(goal.target, weights=goal.weights)]))
    log_odds = np.log(shares(goal, classes))
    return no_trees(log_odds[1:] - log_odds[:1] if len(classes) == 2 else log_odds)
