"""The leaderboard: what was fitted, how well each does on validation rows, which one is chosen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from consilience.core.compare import clearly
from consilience.evaluate import point, score
from consilience.evaluate.jackknife import pseudo_values
from consilience.models.base import Member
from consilience.tasks.base import Task
from consilience.workflows.prepare import Part, Prepared

_ALL, _SURE = 0.99, 0.05
"""Of a model that nothing can beat: the lower end of its score's interval at least, and its log loss at most."""

Refit = Callable[[float], Member]
Fold = Callable[[np.ndarray, float], Member]
"""(row numbers of the training part, seconds) -> the model fitted on those rows."""
Subset = Callable[[tuple[str, ...], float], Member]
"""(inputs, seconds) -> the same kind of model fitted on these inputs only."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Metrics with intervals, and the tables behind them (per class, confusion, ...)."""

    metrics: dict[str, Any]
    details: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class About:
    """What is known of a model before it answers anything."""

    name: str
    preset: str
    fusion: str | None = None
    cpu_seconds: float = 0.0
    """CPU time of its training."""
    facts: dict[str, Any] = field(default_factory=dict)
    """JSON about its training: learning curves, members."""
    refit: Refit | None = None
    """Seconds -> the same model fitted on training and validation rows; None where that is not worth it."""
    fold: Fold | None = None
    """Fits the same model on some of the training rows only; None where that would cost too much."""
    subset: Subset | None = None
    """Fits the same model on some of its inputs only, for the audit; None where that cannot be done."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the leaderboard, with the member it is about and its answers on validation rows."""

    about: About
    member: Member
    answers: np.ndarray
    measured: Measured
    ms_per_row: float
    practice: np.ndarray | None = None
    """Answers to the training rows by the same model fitted on other folds of them, where there are any."""

    @property
    def name(self) -> str:
        return self.about.name

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.member.inputs)

    @property
    def metrics(self) -> dict[str, Any]:
        return self.measured.metrics

    @property
    def loss(self) -> float | None:
        """Log loss, where the task has probabilities."""
        found: float | None = self.metrics.get("log_loss", {"value": None})["value"]
        return found

    def line(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "preset": self.about.preset,
            "fusion": self.about.fusion,
            "inputs": list(self.inputs),
            "metrics": self.metrics,
            "cpu_seconds": round(self.about.cpu_seconds, 3),
            "ms_per_row": round(self.ms_per_row, 4),
        }


def measure(prepared: Prepared, answers: np.ndarray, side: str, *, seed: int) -> Measured:
    """Metrics with intervals of answers to the rows of one side. Labels that training never saw count as wrong."""
    part = prepared.parts[side]
    metrics = score(
        part.task,
        part.widen(answers),
        part.target,
        names=part.names,
        groups=part.groups,
        weights=part.weights,
        seed=seed,
    )
    details = metrics.pop("details")
    return Measured(metrics=metrics, details=details)


def enter(prepared: Prepared, member: Member, about: About, *, seed: int) -> Entry:
    """Let a member answer the validation rows, timed, and score it."""
    valid = prepared.parts["valid"]
    started = time.perf_counter()
    answers = member.predict(valid.view)
    took = time.perf_counter() - started
    return Entry(
        about=about,
        member=member,
        answers=answers,
        measured=measure(prepared, answers, "valid", seed=seed),
        ms_per_row=1000 * took / max(1, len(valid.target)),
    )


def unbeatable(entry: Entry, task: Task) -> bool:
    """Whether nothing is left that another model could win: it answers every validation row right and is sure of it,
    and there are so many of them that hardly one row in a hundred may be answered wrong."""
    metric = entry.metrics[task.primary]
    if not entry.inputs or not task.greater_is_better or metric["ci95"] is None:
        return False
    perfect = metric["value"] >= 1 - 1e-9 and metric["ci95"][0] >= _ALL
    return bool(perfect and (entry.loss is None or entry.loss <= _SURE))


def rank(entry: Entry, task: Task) -> tuple[float, float]:
    """Greater is better: the primary metric, then confidence in the right answer."""
    value = entry.metrics[task.primary]["value"]
    signed = -np.inf if value is None else (value if task.greater_is_better else -value)
    return float(signed), 0.0 if entry.loss is None else -entry.loss


def choose(entries: Sequence[Entry], prepared: Prepared) -> Entry:
    """The best on validation rows. Few rows cannot tell neighbours apart, so: of all that the top one by the primary
    metric does not beat by more than two standard errors of the paired difference, the one whose answers are the most
    trustworthy (`rank`: log loss where there is one), or the first of those nearly as good: entries come cheapest
    first, ensembles last. Entries with out-of-fold answers to the training rows are first compared among themselves, on
    those and the validation rows together: several times as many. Nothing here looks at a clock, so a seed decides
    alone."""
    valid = prepared.parts["valid"]
    practised = [e for e in entries if e.practice is not None]
    if len(practised) > 1:
        train = prepared.parts["train"]
        known = _trusted([_standing(e, [(valid, e.answers), (train, e.practice)]) for e in practised])
        entries = [e for e in entries if e.practice is None or e is known]
    return _trusted([_standing(e, [(valid, e.answers)]) for e in entries])


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """How an entry does on the rows it is compared on."""

    entry: Entry
    value: float
    """The primary metric; greater is better."""
    loss: float | None
    """What says more of whom to trust than the metric; None where there is none, or the user chose the metric."""
    merits: np.ndarray
    """Whose mean is the metric: of rows, or pseudo-values where the user chose it."""
    weights: np.ndarray | None


def _standing(entry: Entry, sides: Sequence[tuple[Part, Any]]) -> _Standing:
    """`sides`: rows, and the entry's answers to them. Metrics of several sides are averaged by their rows."""
    task = sides[0][0].task
    share = [len(part.target) for part, _ in sides]
    found = [point(part.task, part.widen(answers), part.target, part.weights) for part, answers in sides]
    values = np.array([one[task.primary] for one in found], np.float64)  # None is NaN
    losses = [one.get("log_loss") for one in found]
    value = float(np.average(values, weights=share)) * (1 if task.greater_is_better else -1)
    value = -np.inf if np.isnan(value) else value
    if task.criterion is not None:
        sign = 1 if task.greater_is_better else -1
        pseudo = [pseudo_values(p.task, task.primary, p.widen(a), p.target, p.weights) for p, a in sides]
        return _Standing(entry=entry, value=value, loss=None, merits=sign * np.concatenate(pseudo), weights=None)
    weights = [np.ones(len(part.target)) if part.weights is None else part.weights for part, _ in sides]
    return _Standing(
        entry=entry,
        value=value,
        loss=None if None in losses else float(np.average(np.array(losses, np.float64), weights=share)),
        merits=np.concatenate([part.task.merits(part.widen(a), part.target, part.weights) for part, a in sides]),
        weights=None if all(part.weights is None for part, _ in sides) else np.concatenate(weights),
    )


def _trusted(standings: Sequence[_Standing]) -> Entry:
    """Of those that are level with the top one, the first of the most trustworthy."""
    top = max(standings, key=lambda s: (s.value, 0.0 if s.loss is None else -s.loss))
    level = [s for s in standings if not clearly(top.merits - s.merits, s.weights)]
    if top.loss is None:
        return next(s.entry for s in level if s.value >= top.value * (1 - 0.01 * np.sign(top.value)))
    least = min(s.loss for s in level if s.loss is not None)
    return next(s.entry for s in level if s.loss is not None and s.loss <= max(1.005 * least, least + 0.005))
