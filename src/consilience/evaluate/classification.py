"""How often, how surely and on which classes the answers are right. Knows probabilities [N, K] and class numbers [N];
knows no label's meaning and no model.

What is decided here, where conventions differ
- The predicted class is the task's (as `Task.decode`): the most probable one, the first of equals, unless models are
  chosen by a metric under which rare classes count more. Without a task it is the most probable one.
- Precision, recall and F1 of a class are 0 where they would divide by zero (scikit-learn's `zero_division=0`).
- `_macro` averages over the classes that occur in the target (`labels=np.unique(target)`); `_weighted` weighs them by
  their rows; `_micro` counts every class, so it equals accuracy when each row has one class. Balanced accuracy is the
  mean recall over the classes that occur, which is `recall_macro`.
- `auroc`: of class 1 when K = 2; otherwise one class against the rest, averaged over the classes that have both kinds
  of rows. Null when no class has. Ties count half.
- `average_precision`: likewise; the sum over distinct probabilities of recall gained x precision there (scikit-learn).
- `log_loss`: probabilities are clipped to at least 1e-15 and not renormalised.
- `calibration_error`: expected calibration error of the predicted class's probability over 15 bins of equal mass. In
  a bootstrap the bins stay where the given rows put them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.evaluate import calibration, confusion
from consilience.evaluate.base import Bound, Metric, MetricSet, checked, ratio
from consilience.evaluate.counting import auroc, average_precision

_FLOOR = 1e-15


def _share(name: str, title: str, meaning: str, **how: Any) -> Metric:
    return Metric(name=name, title=title, meaning=meaning, share=True, percent=True, **how)


class ClassificationMetrics(MetricSet):
    """Accuracy and its balanced form, precision / recall / F1 in three averages, AUROC, log loss, calibration error."""

    metrics = (
        _share("accuracy", "Accuracy", "share of rows answered right"),
        _share("balanced_accuracy", "Balanced accuracy", "mean over classes of the share answered right", balance=1.0),
        *(
            _share(
                f"{name}_{average}",
                f"{name.capitalize()} ({average})",
                f"{meaning}, {how}",
                headline=(name, average) == ("f1", "macro"),
                aliases=(name,) if average == "macro" else (),
                # F1 is highest at half of itself as the threshold: between the frequency and one half.
                balance={"f1": 0.5, "recall": 1.0}.get(name, 0.0) if average == "macro" else 0.0,
            )
            for average, how in (
                ("macro", "each class counts the same"),
                ("micro", "all rows pooled"),
                ("weighted", "classes count by their rows"),
            )
            for name, meaning in (
                ("precision", "how often a predicted class is right"),
                ("recall", "how much of a class is found"),
                ("f1", "harmonic mean of precision and recall"),
            )
        ),
        Metric(
            name="auroc",
            title="AUROC",
            meaning="chance that a row of a class is ranked above a row of another; 0.5 is guessing",
            share=True,
            aliases=("roc_auc",),
        ),
        Metric(
            name="average_precision",
            title="Average precision",
            meaning="area under precision against recall; guessing has the share of the class",
            share=True,
            headline=False,
            balance=0.5,
        ),
        Metric(
            name="log_loss",
            title="Log loss",
            meaning="surprise at the right answers; punishes being sure and wrong",
            greater_is_better=False,
        ),
        Metric(
            name="calibration_error",
            title="Calibration error",
            meaning="mean gap between stated confidence and share right",
            greater_is_better=False,
            share=True,
            percent=True,
            centred=True,
        ),
    )

    @classmethod
    def of(cls, task: Any) -> Any:
        return Bound(cls, predicted=task.predicted)

    def __init__(
        self,
        answers: np.ndarray,
        target: np.ndarray,
        *,
        predicted: Callable[[np.ndarray], np.ndarray] = lambda answers: answers.argmax(1),
    ) -> None:
        answers, target = checked(answers, target)
        rows, classes = answers.shape
        if rows and not (np.issubdtype(target.dtype, np.integer) and target.min() >= 0 and target.max() < classes):
            raise DataError(f"targets must be class numbers from 0 to {classes - 1}: leave rows of other labels out")
        self._answers, self._target = answers, target.astype(np.int64)
        self._predicted = predicted(answers) if rows else np.zeros(0, np.int64)
        self._right = self._predicted == self._target
        every = np.arange(rows)
        self._confidence = answers[every, self._predicted]
        self._loss = -np.log(np.clip(answers[every, self._target], _FLOOR, 1.0))

    def values(self, weights: np.ndarray, *, only: str | None = None) -> dict[str, np.ndarray]:
        if not len(self._target):
            return {m.name: np.full(weights.shape[1], np.nan) for m in self.metrics}
        support, guesses, hits = confusion.counts(weights, self._target, self._predicted, self._answers.shape[1])
        total = weights.sum(0)
        precision, recall = ratio(hits, guesses, otherwise=0.0), ratio(hits, support, otherwise=0.0)
        f1 = ratio(2 * hits, guesses + support, otherwise=0.0)
        occurs = support > 0
        accuracy = ratio(hits.sum(0), total)
        out = {"accuracy": accuracy, "balanced_accuracy": ratio(recall.sum(0), occurs.sum(0))}
        for name, per_class in (("precision", precision), ("recall", recall), ("f1", f1)):
            out[f"{name}_macro"] = ratio((per_class * occurs).sum(0), occurs.sum(0))
            out[f"{name}_micro"] = accuracy
            out[f"{name}_weighted"] = ratio((per_class * support).sum(0), total)
        classes = (1,) if self._answers.shape[1] == 2 else range(self._answers.shape[1])
        if only in (None, "auroc"):
            out["auroc"] = _mean(auroc(self._answers, self._own, weights, classes))
        if only in (None, "average_precision"):
            areas = [average_precision(self._answers[:, k], self._own(k), weights) for k in classes]
            out["average_precision"] = _mean(np.stack(areas))
        out["log_loss"] = ratio(self._loss @ weights, total)
        if only in (None, "calibration_error"):
            out["calibration_error"] = ratio(self._gaps(weights), total)
        return out

    def details(self, names: Sequence[str]) -> dict[str, Any]:
        """See `confusion.tables`; and reliability."""
        found = confusion.tables(self._answers, self._target, self._predicted, names)
        return {**found, "reliability": calibration.reliability(self._confidence, self._right)}

    def _own(self, k: int) -> np.ndarray:
        return self._target == k

    def _gaps(self, weights: np.ndarray) -> np.ndarray:
        """[R]: the sum over bins of |stated - right|, in rows."""
        order, starts = calibration.equal_mass(self._confidence)
        gap = (self._confidence - self._right)[order, None] * weights[order]
        return np.abs(np.add.reduceat(gap, starts, axis=0)).sum(0)


def _mean(areas: np.ndarray) -> np.ndarray:
    """[R]: over the classes [C, R] of which it is defined."""
    defined = ~np.isnan(areas)
    return ratio(np.where(defined, areas, 0).sum(0), defined.sum(0))
