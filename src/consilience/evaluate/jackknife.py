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
    """[G]: the metric's jackknife pseudo-values (Tukey 1958): what each of G blocks of rows adds to the metric, times
    G, about the metric itself as their mean. The spread of the paired differences of two models tells how sure the
    difference is. Up to 500 rows each is a block; of more, each block has its share of every class. Same rows and
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
    without = np.where(np.isfinite(without), without, whole)
    return np.asarray(whole + (count - 1) * (without.mean() - without))


def _by_target(target: np.ndarray) -> np.ndarray:
    return np.lexsort(np.atleast_2d(target.T))
