"""How sure a metric of any form is on the rows at hand. Knows metric sets by their promise; knows no model."""

from __future__ import annotations

from typing import Any

import numpy as np

from consilience.evaluate import Of, metric_set

_WORK = 10_000_000
_FEWEST, _MOST = 20, 500


def pseudo_values(
    of: Of, name: str, answers: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """[G]: the metric's jackknife pseudo-values (Tukey 1958): G x the metric less (G - 1) x the metric without one of G
    blocks of rows. Their mean is the metric less its bias, and the spread of the paired differences of two models that
    of the difference. Up to 500 rows each is a block; of more, each block has its share of every class. Same rows and
    targets, same blocks."""
    rows = len(target)
    if not rows:
        return np.zeros(0)
    count = min(rows, _MOST, max(_FEWEST, _WORK // max(1, answers.size)))
    block = np.empty(rows, np.int64)
    block[_by_target(target)] = np.arange(rows) % count
    once = np.ones(rows) if weights is None else np.asarray(weights, np.float64)
    given: Any = metric_set(of)(answers, target)
    whole = given.values(once[:, None], only=name)[name][0]
    without = given.values(once[:, None] * (block[:, None] != np.arange(count)), only=name)[name]
    if not np.isfinite(whole):
        return np.zeros(count)
    return np.asarray(count * whole - (count - 1) * np.where(np.isfinite(without), without, whole))


def _by_target(target: np.ndarray) -> np.ndarray:
    return np.lexsort(np.atleast_2d(target.T))
