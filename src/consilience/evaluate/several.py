"""Several targets at once: each target's own metrics under its name, and one score of all of them.

`score` is the mean over targets of how far each is from its constant answer (0) to perfect answers (1), by its own
primary metric; of an error, its square counts, so that of a number it is R² against the training mean. A target whose
constant answer is perfect on the rows at hand has nothing to gain and does not count. Rows that lack a target do not
count for it. Knows tasks and their metric sets by their promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from consilience.core.errors import DataError
from consilience.evaluate import METRICS, metric_set
from consilience.evaluate.base import Metric, MetricSet, ratio
from consilience.tasks.base import Criterion

_SCORE = Metric(
    name="score",
    title="Score",
    meaning="mean over targets of the way from the constant answer (0) to perfect answers (1)",
    percent=True,
)


class SeveralMetrics(MetricSet):
    """`score`, then target.metric for every target."""

    metrics: ClassVar[tuple[Metric, ...]] = (_SCORE,)

    @classmethod
    def of(cls, task: Any) -> Any:
        return _Bound(task)

    @classmethod
    def chosen(cls, task: Any, name: str, frequency: np.ndarray) -> Any:
        """By one metric of one target (target.metric), or by the score, for which the targets that have such a metric
        count by it, and the others by their own."""
        if (whole := super().chosen(task, name, frequency)) is not None:
            return whole
        found = [METRICS.load(of.task.kind).chosen(of.task, name, frequency[of.columns]) for of in task.targets]
        if not any(found):
            return None
        made = task.made_of([replace(of, task=one or of.task) for of, one in zip(task.targets, found, strict=True)])
        return made.chosen_by(Criterion(name="score", greater_is_better=True), frequency)

    @classmethod
    def choices(cls, task: Any) -> list[str]:
        each = [METRICS.load(of.task.kind).choices(of.task) for of in task.targets]
        return list(dict.fromkeys(name for names in (super().choices(task), *each) for name in names))

    def __init__(self, answers: np.ndarray, target: np.ndarray, *, bound: _Bound | None = None) -> None:
        assert bound is not None, "several targets are scored by their task, not by its name"
        answers, target = np.asarray(answers, np.float64), np.asarray(target, np.float64)
        if len(answers) != len(target) or answers.shape[1:] != (bound.task.width,):
            raise DataError(f"answers of shape {answers.shape} cannot be compared with targets of shape {target.shape}")
        self.metrics = bound.metrics  # type: ignore[misc]
        self._bound, self._rows, self._sets, self._nothing = bound, [], [], []
        for of, make in zip(bound.task.targets, bound.sets, strict=True):
            known, truth = of.truth(target)
            self._rows.append(known)
            self._sets.append(make(answers[known][:, of.columns], truth))
            self._nothing.append(make(np.tile(of.constant, (len(known), 1)), truth))

    def values(self, weights: np.ndarray, *, only: str | None = None) -> dict[str, np.ndarray]:
        out: dict[str, np.ndarray] = {}
        ways = []
        parts = zip(self._bound.task.targets, self._bound.sets, self._rows, self._sets, self._nothing, strict=True)
        for of, make, rows, given, nothing in parts:
            metric = {m.name: m for m in make.metrics}[of.task.primary]
            found = given.values(weights[rows], only=metric.name if only == "score" else None)
            out |= {f"{of.name}.{name}": value for name, value in found.items()}
            without = nothing.values(weights[rows], only=metric.name)
            ways.append(_way(found[metric.name], without[metric.name], metric))
        defined = np.isfinite(ways)
        return {"score": ratio(np.where(defined, ways, 0.0).sum(0), defined.sum(0)), **out}

    def details(self, names: Sequence[str]) -> dict[str, Any]:
        """targets: by target its task's kind, and the details of its own metric set."""
        parts = zip(self._bound.task.targets, self._sets, strict=True)
        return {
            "targets": {of.name: {"kind": of.task.kind, **given.details(of.task.names)} for of, given in parts},
        }


class _Bound:
    """The metric set of one task."""

    def __init__(self, task: Any) -> None:
        self.task = task
        self.sets = [metric_set(of.task) for of in task.targets]
        own = (
            replace(
                m,
                name=f"{of.name}.{m.name}",
                aliases=(),
                title=f"{of.name}: {m.title}",
                headline=m.name == of.task.primary,
            )
            for of, make in zip(task.targets, self.sets, strict=True)
            for m in make.metrics
        )
        self.metrics: tuple[Metric, ...] = (_SCORE, *own)

    def __call__(self, answers: np.ndarray, target: np.ndarray) -> SeveralMetrics:
        return SeveralMetrics(answers, target, bound=self)


def _way(value: np.ndarray, nothing: np.ndarray, metric: Metric) -> np.ndarray:
    """From `nothing` (0) to perfect (1)."""
    if metric.greater_is_better:
        gap = 1.0 - nothing
        return ratio(value - nothing, np.where(gap > 1e-12, gap, 0.0))
    return 1.0 - ratio(value**2, np.where(nothing > 1e-12, nothing, 0.0) ** 2)
