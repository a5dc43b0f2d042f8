"""What a set of metrics promises: each metric as a weighted formula, for many weightings of the same rows at once.

Knows answers and targets as arrays (see tasks/base.py); knows no model, no input and no table.

Shape legend: N rows, K answer columns, R weightings of the rows (one of ones, or the resamples of a bootstrap).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from consilience.core.errors import DataError
from consilience.tasks.base import Criterion, Task


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number, and what a reader needs to know to read it."""

    name: str
    title: str
    meaning: str
    """One line in plain words."""
    greater_is_better: bool = True
    share: bool = False
    """The value lies between 0 and 1."""
    percent: bool = False
    """Shown to people as a percentage."""
    headline: bool = True
    """Shown in the leaderboard itself; the others are one click away."""
    aliases: tuple[str, ...] = ()
    """Other names it may be chosen by."""
    balance: float = 0.0
    """How much of its frequency a class is relieved of when models are chosen by this (`tasks.base.Criterion`)."""
    centred: bool = False
    """Resampling alone pushes the value up (it sums absolute deviations): its interval is centred on the value."""


class MetricSet(ABC):
    """The metrics of one kind of task over one set of rows, prepared once and computed for any weights."""

    metrics: ClassVar[tuple[Metric, ...]]

    @abstractmethod
    def __init__(self, answers: np.ndarray, target: np.ndarray) -> None:
        """answers [N, K], target [N] or [N, S] (tasks/base.py). Raises DataError when they cannot be compared."""

    @classmethod
    def of(cls, task: Any) -> Any:
        """What makes this set for one task, where its metrics depend on more than the kind of task: something that is
        called like the class, and has `metrics`."""
        return cls

    @classmethod
    def chosen(cls, task: Task, name: str, frequency: np.ndarray) -> Task | None:
        """The task, its models chosen by the metric of this name; None where there is no such metric. `frequency` [K]:
        the task's constant answer."""
        metric = next((m for m in cls.of(task).metrics if name in (m.name, *m.aliases)), None)
        if metric is None:
            return None
        how = {"greater_is_better": metric.greater_is_better, "balance": metric.balance}
        return task.chosen_by(Criterion(name=metric.name, **how), frequency)

    @classmethod
    def choices(cls, task: Task) -> list[str]:
        """What `chosen` knows."""
        return [name for m in cls.of(task).metrics for name in (m.name, *m.aliases)]

    @abstractmethod
    def values(self, weights: np.ndarray, *, only: str | None = None) -> dict[str, np.ndarray]:
        """Weights [N, R] (how often each row counts) -> every metric [R]; NaN where a metric is undefined. With `only`,
        those that take long may be left out but for that one."""

    @abstractmethod
    def details(self, names: Sequence[str]) -> dict[str, Any]:
        """What charts and tables are drawn from, ready for JSON. `names`: the K names of the answer columns."""


class Bound:
    """The metric set of one task: called like the class, and told what the task knows."""

    def __init__(self, kind: Any, **known: Any) -> None:
        self.kind, self.known, self.metrics = kind, known, kind.metrics

    def __call__(self, answers: np.ndarray, target: np.ndarray) -> MetricSet:
        made: MetricSet = self.kind(answers, target, **self.known)
        return made


def checked(answers: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers [N, K] float64 and target [N], or DataError: shapes that do not fit, or rows without a finite answer."""
    answers, target = np.asarray(answers, np.float64), np.asarray(target)
    if answers.ndim != 2 or target.shape != answers.shape[:1]:
        raise DataError(
            f"answers of shape {answers.shape} cannot be compared with targets of shape {target.shape}: "
            "give one row of answers for each target"
        )
    if not np.isfinite(answers).all():
        bad = int((~np.isfinite(answers).all(1)).sum())
        raise DataError(
            f"{bad:,} of {len(answers):,} rows have no finite answer (NaN or infinity), so no metric can be computed. "
            "A network that diverged is the usual cause: lower its learning rate."
        )
    return answers, target


def plain(value: float) -> float | None:
    """A float for JSON: None where the value is undefined (NaN) or overflowed."""
    return float(value) if math.isfinite(value) else None


def ratio(above: np.ndarray, below: np.ndarray, *, otherwise: float = math.nan) -> np.ndarray:
    """above / below, and `otherwise` where `below` is zero."""
    return np.divide(above, below, out=np.full(np.shape(above), otherwise), where=np.not_equal(below, 0))
