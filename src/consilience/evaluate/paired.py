"""The primary metric of several models on the same rows, and how sure a difference between them is.

All are scored under the same resamples of the same rows, so what is common to them (easy and hard rows) cancels out of
a difference: its interval is much narrower than those of the two scores would suggest. Knows answers; knows no model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from consilience.evaluate import Of, bootstrap, metric_set
from consilience.evaluate.base import Metric, plain

Scores = np.ndarray
"""[1 + R]: a metric on the rows, then on each resample of them; signed so that greater is better."""

_WORK = 40_000_000
_FEWEST = 100


class Judge:
    """Scores answers to one set of rows by one metric."""

    def __init__(
        self,
        of: Of,
        name: str,
        answers: np.ndarray,
        target: np.ndarray,
        *,
        groups: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        seed: int = 0,
        resamples: int = 300,
    ) -> None:
        """`of`: what is scored, `name`: of the metric, `weights` [N]: how much each row counts.

        `answers` [N, K] of the model the others are compared with decide, with the target, in which order rows are
        drawn: the order they came in plays no role. Rows with equal `groups` (>= 0) are redrawn together. Of many
        answers fewer resamples are drawn, but at least 100."""
        self._set = metric_set(of)
        self.metric: Metric = next(m for m in self._set.metrics if m.name == name)
        order = bootstrap.canonical(answers, target, groups, weights)
        self._order, self._target = order, target[order]
        unit = bootstrap.units(None if groups is None else np.asarray(groups)[order], len(target))
        resamples = max(min(resamples, _WORK // max(1, answers.size)), min(resamples, _FEWEST))
        drawn = bootstrap.resampled(unit, resamples=resamples, seed=seed)
        self._weights = np.concatenate([np.ones((len(target), 1)), *drawn], axis=1)
        if weights is not None:
            self._weights *= np.asarray(weights, np.float64)[order, None]
        self._units = int(unit.max()) + 1

    def scores(self, answers: np.ndarray) -> Scores:
        given = self._set(answers[self._order], self._target)
        values = given.values(self._weights, only=self.metric.name)[self.metric.name]
        return np.asarray(values if self.metric.greater_is_better else -values, np.float64)

    def told(self, scores: Scores) -> dict[str, Any]:
        """{"value", "ci95"} of the metric itself, as `score` gives it."""
        values = scores if self.metric.greater_is_better else -scores
        interval = bootstrap.interval(values[1:], values[0], self.metric, count=self._units)
        return {"value": plain(values[0]), "ci95": interval}


def difference(gain: Scores) -> dict[str, Any]:
    """{"value", "ci95"} of a difference of scores: the percentile interval, which a difference of exactly nothing on
    every resample (answers that do not change) has too."""
    seen = gain[1:][np.isfinite(gain[1:])]
    value = plain(gain[0])
    if value is None or len(seen) < max(2, len(gain) / 2):
        return {"value": value, "ci95": None}
    tail = (1 - bootstrap.LEVEL) / 2
    low, high = np.quantile(seen, [tail, 1 - tail])
    return {"value": value, "ci95": [float(min(low, value)), float(max(high, value))]}
