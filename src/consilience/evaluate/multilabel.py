"""How well sets of labels are found. Knows probabilities [N, L] and targets [N, L] of 0, 1 and NaN (not known); knows
no label's meaning and no model.

What is decided here, where conventions differ
- A label is predicted at or above the task's threshold (as `Task.decode`).
- F1, precision and recall are 0 where they would divide by zero. `_micro` pools all decisions, `_macro` averages over
  the labels that occur in the target, `_weighted` weighs them by their rows.
- `auroc` and `average_precision` are means over the labels that have both kinds of rows (AUROC) or occur (precision).
- `ranking_loss`: share of a row's pairs of a label it has and one it lacks that are ranked the wrong way, ties too;
  rows without such a pair do not count (scikit-learn counts them as 0).
- `log_loss`: mean over rows and labels, probabilities clipped to 1e-15.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.evaluate import calibration
from consilience.evaluate.base import Bound, Metric, MetricSet, plain, ratio
from consilience.evaluate.counting import auroc, average_precision

_FLOOR = 1e-15


def _share(name: str, title: str, meaning: str, **how: Any) -> Metric:
    return Metric(name=name, title=title, meaning=meaning, share=True, percent=True, **how)


class MultilabelMetrics(MetricSet):
    """F1 in three averages, precision and recall, whole rows right, decisions wrong, and three of the ranking."""

    metrics = (
        _share("f1_micro", "F1 (micro)", "harmonic mean of precision and recall, all decisions pooled"),
        _share(
            "f1_macro",
            "F1 (macro)",
            "harmonic mean of precision and recall, each label counts the same",
            aliases=("f1",),
            balance=0.5,
        ),
        _share("f1_weighted", "F1 (weighted)", "as macro, labels count by their rows", headline=False),
        _share("precision_micro", "Precision (micro)", "how often a predicted label is right", headline=False),
        _share("recall_micro", "Recall (micro)", "how much of the labels is found", headline=False),
        _share(
            "subset_accuracy", "Whole rows right", "share of rows with exactly the right labels", aliases=("accuracy",)
        ),
        _share(
            "hamming_loss",
            "Hamming loss",
            "share of single decisions that are wrong",
            greater_is_better=False,
            headline=False,
        ),
        Metric(
            name="auroc",
            title="AUROC",
            meaning="chance that a row with a label is ranked above one without it, mean over labels; 0.5 is guessing",
            share=True,
            aliases=("roc_auc",),
        ),
        Metric(
            name="average_precision",
            title="Average precision",
            meaning="area under precision against recall, mean over labels",
            share=True,
            headline=False,
        ),
        _share(
            "ranking_loss",
            "Ranking loss",
            "pairs of a row's labels ranked the wrong way",
            greater_is_better=False,
            headline=False,
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
        return Bound(cls, thresholds=task.thresholds)

    def __init__(self, answers: np.ndarray, target: np.ndarray, *, thresholds: Any = 0.5) -> None:
        answers, target = np.asarray(answers, np.float64), np.asarray(target, np.float64)
        if answers.ndim != 2 or target.shape != answers.shape:
            raise DataError(f"answers of shape {answers.shape} cannot be compared with labels of shape {target.shape}")
        if not np.isfinite(answers).all():
            bad = int((~np.isfinite(answers).all(1)).sum())
            raise DataError(
                f"{bad:,} of {len(answers):,} rows have no finite answer (NaN or infinity), so no metric can be "
                "computed. A network that diverged is the usual cause: lower its learning rate."
            )
        self._answers, self._known = answers, ~np.isnan(target)
        self._true = np.nan_to_num(target) > 0
        self._said = (answers >= thresholds) & self._known
        own = np.where(self._true, answers, 1 - answers)
        self._loss = np.where(self._known, -np.log(np.clip(own, _FLOOR, 1.0)), 0.0)
        self._ranking, self._ranked = _wrong_pairs(answers, self._true, self._known)

    def values(self, weights: np.ndarray, *, only: str | None = None) -> dict[str, np.ndarray]:
        if not len(self._answers):
            return {m.name: np.full(weights.shape[1], np.nan) for m in self.metrics}
        hits, said, true, known = self._counts(weights)
        f1 = ratio(2 * hits, said + true, otherwise=0.0)
        occurs = true > 0
        wrong = (self._said != self._true) & self._known
        right = (~wrong).all(1) & self._known.any(1)
        out = {
            "f1_micro": ratio(2 * hits.sum(0), said.sum(0) + true.sum(0), otherwise=0.0),
            "f1_macro": ratio((f1 * occurs).sum(0), occurs.sum(0)),
            "f1_weighted": ratio((f1 * true).sum(0), true.sum(0)),
            "precision_micro": ratio(hits.sum(0), said.sum(0), otherwise=0.0),
            "recall_micro": ratio(hits.sum(0), true.sum(0), otherwise=0.0),
            "subset_accuracy": ratio(right @ weights, self._known.any(1) @ weights),
            "hamming_loss": ratio(wrong.sum(1) @ weights, known.sum(0)),
            "ranking_loss": ratio(self._ranking @ weights, self._ranked @ weights),
            "log_loss": ratio(self._loss.sum(1) @ weights, known.sum(0)),
        }
        curves = ("auroc", "average_precision")
        for name, area in zip(curves, self._areas(weights) if only in (None, *curves) else (), strict=False):
            defined = ~np.isnan(area)
            out[name] = ratio(np.where(defined, area, 0).sum(0), defined.sum(0))
        return {m.name: out[m.name] for m in self.metrics if m.name in out}

    def details(self, names: Sequence[str]) -> dict[str, Any]:
        """per_class (a line for each label), classes, and reliability of all single decisions."""
        one = np.ones((len(self._answers), 1))
        hits, said, true, _ = (c[:, 0] for c in self._counts(one))
        areas = [a[:, 0] for a in self._areas(one)]
        table = {
            "precision": ratio(hits, said, otherwise=0.0),
            "recall": ratio(hits, true, otherwise=0.0),
            "f1": ratio(2 * hits, said + true, otherwise=0.0),
            "auroc": areas[0],
            "average_precision": areas[1],
        }
        known = self._known
        return {
            "classes": list(names),
            "rows": len(self._answers),
            "per_class": [
                {"class": names[k], "support": int(true[k]), **{m: plain(v[k]) for m, v in table.items()}}
                for k in range(self._answers.shape[1])
            ],
            "reliability": calibration.reliability(self._answers[known], self._true[known]),
        }

    def _counts(self, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """Of each label: found and there, predicted, there, known; each [L, R]."""
        parts = (self._said & self._true, self._said, self._true, self._known)
        return tuple(part.T.astype(np.float64) @ weights for part in parts)

    def _areas(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """AUROC and average precision of each label [L, R]; NaN where not defined."""
        labels = range(self._answers.shape[1])
        found = np.full((2, len(labels), weights.shape[1]), np.nan)
        for k in labels:
            rows = np.flatnonzero(self._known[:, k])
            column, true = self._answers[rows, k : k + 1], self._true[rows, k]
            some = weights if len(rows) == len(weights) else weights[rows]
            if true.any():
                found[0, k] = auroc(column, partial(_same, true), some, (0,))[0]
                found[1, k] = average_precision(column[:, 0], true, some)
        return found[0], found[1]


def _same(true: np.ndarray, k: int) -> np.ndarray:
    return true


def _wrong_pairs(answers: np.ndarray, true: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[N] share of a row's pairs that are ranked wrong, and [N] whether it has any pair."""
    lacks = known & ~true
    # In ascending order, labels that are there first among equals: every lacking label behind one is ranked wrong.
    order = np.argsort(lacks, axis=1, kind="stable")
    order = np.take_along_axis(order, np.argsort(np.take_along_axis(answers, order, 1), axis=1, kind="stable"), axis=1)
    behind = np.take_along_axis(lacks, order, 1)[:, ::-1].cumsum(1)[:, ::-1]
    wrong = (behind * np.take_along_axis(true, order, 1)).sum(1)
    every = true.sum(1) * lacks.sum(1)
    return ratio(wrong, every, otherwise=0.0), every > 0
