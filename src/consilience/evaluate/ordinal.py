"""How near the answers are on an ordered scale. Knows probabilities [N, K] of ranks and ranks [N]; no label, no model.

What is decided here
- The predicted rank is the median of the probabilities (as `Task.decode`).
- `qwk`: Cohen's kappa with quadratic weights (Cohen 1968): 1 - (mean squared distance in ranks) / (that of predictions
  and targets paired at random). Null where all predictions and targets are one rank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.evaluate import calibration, confusion
from consilience.evaluate.base import Bound, Metric, MetricSet, checked, ratio
from consilience.tasks.ordinal import median

_FLOOR = 1e-15


class OrdinalMetrics(MetricSet):
    """Quadratic weighted kappa, mean distance in ranks, exactly right, right within one rank, log loss."""

    metrics = (
        Metric(
            name="qwk",
            title="Quadratic kappa",
            meaning="agreement beyond chance, distant mistakes count more; 0 is guessing, 1 is perfect",
        ),
        Metric(
            name="mae_ranks",
            title="MAE (ranks)",
            meaning="mean distance, in steps of the scale",
            greater_is_better=False,
            aliases=("mae",),
        ),
        Metric(name="accuracy", title="Accuracy", meaning="share of rows answered right", share=True, percent=True),
        Metric(
            name="within_one",
            title="Within one",
            meaning="share of rows answered right or one step off",
            share=True,
            percent=True,
        ),
        Metric(
            name="balanced_accuracy",
            title="Balanced accuracy",
            meaning="mean over classes of the share answered right",
            share=True,
            percent=True,
            headline=False,
            balance=1.0,
        ),
        Metric(
            name="log_loss",
            title="Log loss",
            meaning="surprise at the right answers; punishes being sure and wrong",
            greater_is_better=False,
        ),
    )

    @classmethod
    def of(cls, task: Any) -> Any:
        return Bound(cls, predicted=task.predicted)

    def __init__(
        self, answers: np.ndarray, target: np.ndarray, *, predicted: Callable[[np.ndarray], np.ndarray] = median
    ) -> None:
        answers, target = checked(answers, target)
        rows, classes = answers.shape
        if rows and not (np.issubdtype(target.dtype, np.integer) and target.min() >= 0 and target.max() < classes):
            raise DataError(f"targets must be ranks from 0 to {classes - 1}: leave rows of other labels out")
        self._answers, self._target = answers, target.astype(np.int64)
        self._predicted = predicted(answers) if rows else np.zeros(0, np.int64)
        every = np.arange(rows)
        self._confidence = answers[every, self._predicted]
        self._loss = -np.log(np.clip(answers[every, self._target], _FLOOR, 1.0))

    def values(self, weights: np.ndarray, *, only: str | None = None) -> dict[str, np.ndarray]:
        if not len(self._target):
            return {m.name: np.full(weights.shape[1], np.nan) for m in self.metrics}
        total = weights.sum(0)
        far = np.abs(self._predicted - self._target)
        support, guesses, hits = confusion.counts(weights, self._target, self._predicted, self._answers.shape[1])
        ranks = np.arange(len(support))
        distance = (ranks[:, None] - ranks) ** 2.0
        expected = ratio(np.einsum("ar,ab,br->r", support, distance, guesses), total)
        recall, occurs = ratio(hits, support, otherwise=0.0), support > 0
        kappa = 1 - ratio(far.astype(np.float64) ** 2 @ weights, np.where(expected > 1e-9 * total, expected, 0.0))
        return {
            "qwk": np.where(np.abs(kappa) < 1e-12, 0.0, kappa),  # what rounding leaves of a constant is no agreement
            "mae_ranks": ratio(far @ weights, total),
            "accuracy": ratio((far == 0) @ weights, total),
            "within_one": ratio((far <= 1) @ weights, total),
            "balanced_accuracy": ratio(recall.sum(0), occurs.sum(0)),
            "log_loss": ratio(self._loss @ weights, total),
        }

    def details(self, names: Sequence[str]) -> dict[str, Any]:
        """See `confusion.tables`; the matrix is in the order of the scale. And reliability."""
        found = confusion.tables(self._answers, self._target, self._predicted, names)
        right = self._predicted == self._target
        return {**found, "reliability": calibration.reliability(self._confidence, right)}
