"""The leaderboard: what was fitted, how well each does on validation rows, which one is chosen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from consilience.core.seeding import generator
from consilience.evaluate import score
from consilience.fusion import DECISION_FUSIONS
from consilience.models.base import Member
from consilience.models.ensemble import Ensemble
from consilience.tasks.base import Task
from consilience.workflows.config import RunConfig
from consilience.workflows.prepare import Prepared


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Metrics with intervals, and the tables behind them (per class, confusion, ...)."""

    metrics: dict[str, Any]
    details: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the leaderboard, with the member it is about and its answers on validation rows."""

    name: str
    preset: str
    fusion: str | None
    inputs: tuple[str, ...]
    member: Member
    answers: np.ndarray
    measured: Measured
    cpu_seconds: float
    ms_per_row: float
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, Any]:
        return self.measured.metrics

    def line(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "preset": self.preset,
            "fusion": self.fusion,
            "inputs": list(self.inputs),
            "metrics": self.metrics,
            "cpu_seconds": round(self.cpu_seconds, 3),
            "ms_per_row": round(self.ms_per_row, 4),
        }


def measure(prepared: Prepared, answers: np.ndarray, side: str, *, seed: int) -> Measured:
    """Metrics with intervals of answers to the rows of one side. Labels that training never saw count as wrong."""
    part = prepared.parts[side]
    metrics = score(
        prepared.task.kind, part.widen(answers), part.target, names=part.names, groups=part.groups, seed=seed
    )
    details = metrics.pop("details")
    return Measured(metrics=metrics, details=details)


def enter(
    prepared: Prepared,
    member: Member,
    *,
    name: str,
    preset: str,
    fusion: str | None,
    cpu_seconds: float,
    seed: int,
    facts: dict[str, Any],
) -> Entry:
    """Let a member answer the validation rows, timed, and score it."""
    valid = prepared.parts["valid"]
    started = time.perf_counter()
    answers = member.predict(valid.view)
    took = time.perf_counter() - started
    return Entry(
        name=name,
        preset=preset,
        fusion=fusion,
        inputs=tuple(member.inputs),
        member=member,
        answers=answers,
        measured=measure(prepared, answers, "valid", seed=seed),
        cpu_seconds=cpu_seconds,
        ms_per_row=1000 * took / max(1, len(valid.target)),
        facts=facts,
    )


def ensembles(entries: Sequence[Entry], prepared: Prepared, config: RunConfig) -> Iterator[Entry]:
    """Every decision-level rule over the best models. A rule is learned on validation rows; its score is of answers to
    rows it was not learned on (by folds that keep dependent rows together), so it competes on equal terms."""
    models = sorted((e for e in entries if e.inputs), key=lambda e: rank(e, prepared.task), reverse=True)
    picked = {e.name: e for e in models[: config.ensemble.best]}
    if len(picked) < 2:
        return
    valid, discrete = prepared.parts["valid"], prepared.task.discrete
    answers = {name: e.answers for name, e in picked.items()}
    known = valid.target < prepared.task.width if discrete else np.ones(len(valid.target), bool)
    for rule in config.ensemble.rules:
        cpu = time.process_time()
        learn = partial(DECISION_FUSIONS.load(rule.kind).fit, rule.config, discrete=discrete)
        fused = np.empty_like(next(iter(answers.values())))
        for rows in folds(valid.groups, seed=config.seed):
            others = np.setdiff1d(np.flatnonzero(known), rows)
            fitted = learn({n: a[others] for n, a in answers.items()}, valid.target[others])
            fused[rows] = fitted.fuse({n: a[rows] for n, a in answers.items()})
        fitted = learn({n: a[known] for n, a in answers.items()}, valid.target[known])
        member = Ensemble({name: e.member for name, e in picked.items()}, fitted, kind=rule.kind).pruned()
        yield Entry(
            name=f"{rule.kind} of {len(member.members)}",
            preset="ensemble",
            fusion=rule.kind,
            inputs=member.inputs,
            member=member,
            answers=fused,
            measured=measure(prepared, fused, "valid", seed=config.seed),
            cpu_seconds=time.process_time() - cpu,
            ms_per_row=sum(picked[name].ms_per_row for name in member.members),
            facts={"members": list(member.members)},
        )


def folds(groups: np.ndarray, *, seed: int, count: int = 5) -> Iterator[np.ndarray]:
    """Row numbers of each fold; rows of one group (>= 0) are in one fold, -1 is a group of its own."""
    own = np.where(groups < 0, np.arange(len(groups)), len(groups) + np.unique(groups, return_inverse=True)[1])
    _, number = np.unique(own, return_inverse=True)
    fold = generator(seed, "ensemble").permutation(int(number.max()) + 1)[number] % count
    yield from (rows for rows in (np.flatnonzero(fold == f) for f in range(count)) if len(rows))


def rank(entry: Entry, task: Task) -> tuple[float, float]:
    """Greater is better: the primary metric, then confidence in the right answer."""
    value = entry.metrics[task.primary]["value"]
    loss = entry.metrics.get("log_loss", {"value": None})["value"]
    signed = -np.inf if value is None else (value if task.greater_is_better else -value)
    return float(signed), 0.0 if loss is None else -float(loss)


def choose(entries: Sequence[Entry], task: Task) -> Entry:
    """The best on validation rows by the primary metric; among equals the one that answers fastest, so that an
    ensemble must earn what it costs."""
    return max(entries, key=lambda e: (rank(e, task)[0], -e.ms_per_row))
