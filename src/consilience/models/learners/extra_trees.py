"""Extremely randomised trees, fitted by scikit-learn: many trees that each cut at random, averaged.

Geurts et al., "Extremely randomized trees", Machine Learning 2006. Predicts with `Forest`, our own copy of the trees;
knows columns of numbers and no modality.
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
from consilience.models.learners.forest import Forest
from consilience.models.learners.grove import Grove, as_float32, no_trees, refuse_unequal, shares
from consilience.models.learners.rows import spread
from consilience.models.learners.sight import NOTHING, Sight


class ExtraTrees(Learner):
    """The mean over all trees of the shares of the classes, or of the mean target, in the leaf a row ends in."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        trees: int = 100
        """Trees; fewer when the time does not allow them."""
        min_samples_leaf: int = 2
        """Training rows in a leaf, at least."""
        max_leaf_nodes: int = 1000
        """Leaves of a tree, at most; it bounds the size of the model on large tables."""
        columns: float = 0.0
        """Share of the columns that are looked at for each cut, 0 to 1; 0: their square root for classes, a third of
        them for numbers."""
        sparse_columns: int = 32
        """Columns kept of a sparse input, the most telling ones that enough rows have; dense inputs keep all. Fewer on
        a table so large that they would fill the memory."""
        evidence: int = 32
        """Classes at most of which trees are shown what all columns of a sparse input together say (naive Bayes; of a
        training row, what other rows say). With more classes, the most frequent ones; of two classes, and of numbers,
        one number says it. 0: none."""

        def __post_init__(self) -> None:
            lowest = {"trees": 1, "min_samples_leaf": 1, "max_leaf_nodes": 2, "sparse_columns": 0, "evidence": 0}
            for name, least in lowest.items():
                if getattr(self, name) < least:
                    raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
            if not 0 <= self.columns <= 1:
                raise ValueError(f"columns must be between 0 and 1, not {self.columns}")

    def __init__(self, *, grove: Grove, classes: np.ndarray, meta: dict[str, Any]) -> None:
        self._grove, self._classes, self._meta = grove, classes, meta

    @classmethod
    def fit(
        cls, config: ExtraTrees.Config, blocks: Mapping[str, Block], goal: Goal, *, seed: int, seconds: float
    ) -> ExtraTrees:
        begin = time.monotonic()
        # In an order of their own: the last bit of a sum decides which node is cut next, and so every later draw.
        order = np.lexsort([goal.target, *(blocks[name].index for name in sorted(blocks))])
        counted = order[goal.weights[order] > 0]
        blocks = {name: block.take(counted) for name, block in blocks.items()}
        goal = goal.take(counted)
        classes = np.unique(goal.target) if goal.discrete else np.zeros(1, np.int64)
        meta = {"width": goal.width, "discrete": goal.discrete}
        limits = {"sparse": config.sparse_columns, "evidence": config.evidence, "least": config.min_samples_leaf}
        sight, matrix = Sight.fit(blocks, goal, **limits, seed=seed)
        known = np.flatnonzero(~np.isnan(matrix).all(0))
        sight, matrix = sight.keep(known), matrix[:, known]
        if len(known) == 0 or (goal.discrete and len(classes) == 1):
            mean = np.average(goal.target, weights=goal.weights)[None] if not goal.discrete else shares(goal, classes)
            grove = Grove(no_trees(mean, per_answer=True), NOTHING)
            return cls(grove=grove, classes=classes, meta={**meta, "iterations": 0})
        left = seconds - (time.monotonic() - begin)
        model = _grow(config, matrix, goal, seed=derive(seed, "extra trees") % 2**32, seconds=left)
        grove = Grove(_copy(model), sight)
        some, sums = grove.some(matrix)
        theirs = model.predict_proba(some) if goal.discrete else model.predict(some)[:, None]
        refuse_unequal(sums, theirs, "extra_trees", package="scikit-learn")
        return cls(grove=grove, classes=classes, meta={**meta, "iterations": len(model.estimators_)})

    def predict(self, blocks: Mapping[str, Block]) -> np.ndarray:
        sums = self._grove.sums(blocks)
        if not self._meta["discrete"]:
            return sums
        # Shares of a hundred leaves add up to 1 but for rounding.
        return spread(sums / sums.sum(1, keepdims=True), self._classes, self._meta["width"])

    def state(self) -> State:
        grove = self._grove.state()
        return State(arrays={**grove.arrays, "classes": self._classes}, meta={**self._meta, **grove.meta})

    @classmethod
    def restore(cls, state: State) -> ExtraTrees:
        return cls(grove=Grove.restore(state), classes=state.arrays["classes"], meta=dict(state.meta))


def _grow(config: ExtraTrees.Config, matrix: np.ndarray, goal: Goal, *, seed: int, seconds: float) -> Any:
    """The fitted scikit-learn model, with as many trees as the time allows and at least one."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    usual: Any = "sqrt" if goal.discrete else 1 / 3
    model = (ExtraTreesClassifier if goal.discrete else ExtraTreesRegressor)(
        n_estimators=1,
        min_samples_leaf=config.min_samples_leaf,
        max_leaf_nodes=config.max_leaf_nodes,
        max_features=config.columns or usual,
        random_state=seed,
        warm_start=True,
    )
    begin, grown = time.monotonic(), 1
    weights = None if (goal.weights == 1).all() else goal.weights
    while True:
        with np.errstate(over="ignore", invalid="ignore"):  # it sums each column up to see whether all is finite
            model.set_params(n_estimators=grown).fit(matrix, goal.target, sample_weight=weights)
        if grown >= config.trees:
            return model
        each = (time.monotonic() - begin) / grown
        left = seconds - (time.monotonic() - begin)
        more = min(config.trees - grown, grown, int(min(left / max(each, 1e-6), config.trees)))
        if more < 1:
            return model
        grown += more


def _copy(model: Any) -> Forest:
    """The trees of a fitted model, their answers divided by their number."""
    trees = [estimator.tree_ for estimator in model.estimators_]
    nodes = np.concatenate([tree.__getstate__()["nodes"] for tree in trees])
    leaf = nodes["left_child"] < 0
    value = np.concatenate([tree.value[:, 0] for tree in trees]) / len(trees)
    return Forest(
        column=np.where(leaf, 0, nodes["feature"]).astype(np.int32),
        threshold=as_float32(np.where(leaf, 0.0, nodes["threshold"])),
        missing_left=nodes["missing_go_to_left"].astype(bool) & ~leaf,
        left=np.where(leaf, -1, nodes["left_child"]).astype(np.int32),
        right=np.where(leaf, -1, nodes["right_child"]).astype(np.int32),
        value=np.where(leaf[:, None], value, 0.0),
        start=np.cumsum([0, *(tree.node_count for tree in trees)]),
        baseline=np.zeros(value.shape[1]),
    )
