"""The leaderboard: what was fitted, how well each does on validation rows, which one is chosen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from consilience.evaluate import score
from consilience.models.base import Member
from consilience.tasks.base import Task
from consilience.workflows.prepare import Prepared

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


def rank(entry: Entry, task: Task) -> tuple[float, float]:
    """Greater is better: the primary metric, then confidence in the right answer."""
    value = entry.metrics[task.primary]["value"]
    signed = -np.inf if value is None else (value if task.greater_is_better else -value)
    return float(signed), 0.0 if entry.loss is None else -entry.loss


def choose(entries: Sequence[Entry], prepared: Prepared) -> Entry:
    """The best on validation rows. Few rows cannot tell neighbours apart, so: of all that the top one by the primary
    metric does not beat by more than two standard errors of the paired difference, the one whose answers are the most
    trustworthy (`rank`: log loss where there is one), or the first of those nearly as good: entries come cheapest
    first, ensembles last. Nothing here looks at a clock, so a seed decides alone."""
    task, valid = prepared.task, prepared.parts["valid"]
    top = max(entries, key=lambda e: rank(e, task))
    merit = {e.name: valid.task.merits(valid.widen(e.answers), valid.target, valid.weights) for e in entries}
    level = []
    for entry in entries:
        gap = merit[top.name] - merit[entry.name]
        if not clearly(gap, valid.weights):
            level.append(entry)
    if top.loss is None:
        near = [e for e in level if rank(e, task)[0] >= rank(top, task)[0] * (1 - 0.01 * np.sign(rank(top, task)[0]))]
        return near[0]
    least = min(e.loss for e in level if e.loss is not None)
    near = [e for e in level if e.loss is not None and e.loss <= max(1.005 * least, least + 0.005)]
    return near[0]


def clearly(gap: np.ndarray, weights: np.ndarray | None) -> bool:
    """Whether the mean of paired differences [N] is above 0 by more than two of its standard errors."""
    if weights is None:
        return bool(gap.mean() > 2 * gap.std() / np.sqrt(len(gap)))
    mean = np.average(gap, weights=weights)
    spread = np.sqrt(np.average((gap - mean) ** 2, weights=weights))
    return bool(mean > 2 * spread * np.sqrt((weights**2).sum()) / weights.sum())  # Kish's effective number of rows
