"""Gradient-boosted trees (histogram-based, as in LightGBM; Ke et al. 2017), fitted by scikit-learn.

Predicts with `Forest`, our own copy of the trees; knows columns of numbers and no modality.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.core.seeding import derive
from consilience.core.state import State
from consilience.models.base import Block, Goal, Learner
from consilience.models.learners.columns import splittable
from consilience.models.learners.forest import Forest
from consilience.models.learners.grove import Grove, as_float32, no_trees, refuse_unequal, shares
from consilience.models.learners.rows import softmax, spread
from consilience.models.learners.sight import NOTHING, Sight

_SLOWEST = 1e-7
"""Seconds per number, class and round that boosting never takes. Where even they fit, no clock is needed."""


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
        """Training rows in a leaf, at least."""
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
        """Hold out 10 % of the rows, whatever their group, and stop when they no longer gain; not where a class has
        fewer than 10 rows."""

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
        begin = time.process_time()
        counted = np.flatnonzero(goal.weights > 0)
        blocks = {name: block.take(counted) for name, block in blocks.items()}
        goal = goal.take(counted)
        classes = np.unique(goal.target) if goal.discrete else np.zeros(1, np.int64)
        meta = {"width": goal.width, "discrete": goal.discrete}
        limits = {"sparse": config.sparse_columns, "evidence": config.evidence, "least": config.min_samples_leaf}
        sight, matrix = Sight.fit(blocks, goal, **limits, seed=seed)
        useful = splittable(matrix, config.min_samples_leaf)
        if len(useful) < matrix.shape[1]:  # the others cost as much, and no tree would ever look at them
            sight, matrix = sight.keep(useful), matrix[:, useful]
        matrix = matrix.astype(np.float64)  # which scikit-learn would do beside ours
        if len(useful) == 0 or (goal.discrete and len(classes) == 1):
            return cls(grove=Grove(_constant(goal, classes), NOTHING), classes=classes, meta={**meta, "iterations": 0})
        left = seconds - (time.process_time() - begin)
        model = _boost(config, matrix, goal, seed=derive(seed, "trees") % 2**32, seconds=left)
        grove = Grove(_copy(model), sight)
        learner = cls(grove=grove, classes=classes, meta={**meta, "iterations": int(model.n_iter_)})
        some, sums = grove.some(matrix)
        theirs = model.predict_proba(some) if goal.discrete else model.predict(some)[:, None]
        refuse_unequal(learner._answer(sums)[:, classes], theirs, "trees")
        return learner

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


def _boost(config: Trees.Config, matrix: np.ndarray, goal: Goal, *, seed: int, seconds: float) -> Any:
    """The fitted scikit-learn model, with as many rounds as the time allows and at least one."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    sizes = np.unique(goal.target, return_counts=True)[1] if goal.discrete else np.array([len(goal.target)])
    fewest, at_once = sizes.min(), len(sizes) if len(sizes) > 2 else 1
    # A warm start continues where the last call ended, so that nothing is lost by looking at the clock in between.
    model = (HistGradientBoostingClassifier if goal.discrete else HistGradientBoostingRegressor)(
        learning_rate=config.learning_rate,
        max_leaf_nodes=min(config.max_leaf_nodes, max(8, len(matrix) // (config.rows_per_leaf * at_once))),
        min_samples_leaf=config.min_samples_leaf,
        l2_regularization=config.l2,
        max_bins=config.max_bins,
        early_stopping=config.early_stopping and fewest >= 10,
        random_state=seed,
        warm_start=True,
    )
    begin = time.process_time()
    weights = None if (goal.weights == 1).all() else goal.weights
    most = config.max_iter * at_once * matrix.size * _SLOWEST
    rounds = config.max_iter if most < seconds else 1
    while True:
        model.set_params(max_iter=rounds).fit(matrix, goal.target, sample_weight=weights)
        if rounds >= config.max_iter or model.n_iter_ < rounds:
            return model
        spent = time.process_time() - begin
        affordable = min(config.max_iter, int(seconds / max(spent / rounds, 1e-6)))
        if affordable <= rounds:
            return model
        # The first round carries the cost of getting ready: where it says "too long", a few more are timed.
        rounds = min(affordable, 5) if rounds == 1 and affordable < config.max_iter else affordable


def _copy(model: Any) -> Forest:
    """The trees of a fitted model. It looks at scikit-learn's private parts; `refuse_unequal` watches it."""
    trees = [tree.nodes for round_ in model._predictors for tree in round_]
    nodes = np.concatenate(trees)
    leaf = nodes["is_leaf"].astype(bool)
    return Forest(
        column=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32),
        threshold=as_float32(np.where(leaf, 0.0, nodes["num_threshold"])),
        missing_left=nodes["missing_go_to_left"].astype(bool) & ~leaf,
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)).astype(np.int32),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)).astype(np.int32),
        value=np.where(leaf, nodes["value"], 0.0),
        start=np.cumsum([0, *map(len, trees)]),
        baseline=np.asarray(model._baseline_prediction, np.float64).reshape(-1),
    )


def _constant(goal: Goal, classes: np.ndarray) -> Forest:
    """No tree at all: how frequent the classes are, or the mean."""
    if not goal.discrete:
        return no_trees(np.array([np.average(goal.target, weights=goal.weights)]))
    log_odds = np.log(shares(goal, classes))
    return no_trees(log_odds[1:] - log_odds[:1] if len(classes) == 2 else log_odds)
