"""Numbers from answers: metrics with confidence intervals, by group, and the report. Trains nothing; NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from consilience.core.errors import DataError, UserError, unknown
from consilience.core.registry import Family

METRICS = Family(
    "metric set",
    {
        "classification": "consilience.evaluate.classification:ClassificationMetrics",
        "regression": "consilience.evaluate.regression:RegressionMetrics",
        "multilabel": "consilience.evaluate.multilabel:MultilabelMetrics",
        "ordinal": "consilience.evaluate.ordinal:OrdinalMetrics",
        "several": "consilience.evaluate.several:SeveralMetrics",
    },
)
"""By `Task.kind`."""

Of = Any
"""What is scored: a task, or for tasks whose metrics depend on nothing else, its kind."""

_WORK = 1_000_000_000
_FEWEST = 100


def metric_set(of: Of) -> Any:
    """What is called with answers and target to make a `MetricSet`, and has its `metrics`."""
    return METRICS.load(of) if isinstance(of, str) else METRICS.load(of.kind).of(of)


def chosen_by(task: Any, name: str, frequency: np.ndarray) -> Any:
    """The task, its models chosen by the metric of this name. `frequency` [K]: its constant answer. Raises UserError
    for a metric that the task has not."""
    metrics = METRICS.load(task.kind)
    found = metrics.chosen(task, name, frequency)
    if found is None:
        raise UserError(
            f"--metric: {unknown('metric', name, metrics.choices(task))} These are the metrics of {task.kind}."
        )
    return found


def point(
    of: Of, answers: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float | None]:
    """{metric: value}, without intervals; None where undefined. Quick enough for every epoch."""
    from consilience.evaluate.base import plain

    once = np.ones((len(target), 1)) if weights is None else np.asarray(weights, np.float64)[:, None]
    values = metric_set(of)(answers, target).values(once)
    return {name: plain(value[0]) for name, value in values.items()}


def score(
    of: Of,
    answers: np.ndarray,
    target: np.ndarray,
    *,
    names: Sequence[str],
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    seed: int = 0,
    resamples: int = 300,
) -> dict[str, Any]:
    """{metric: {"value", "ci95": [low, high]}, ..., "details": {...}}, ready for JSON; None where undefined.

    answers [N, K], target [N] or [N, S], names: K names of the answer columns. Rows with equal `groups` [N] (>= 0) are
    redrawn together; -1 is a row of its own. `weights` [N]: how much each row counts (details count rows). The same
    rows in another order give the same numbers. Beyond a billion weighted answers (N x K x resamples), fewer resamples
    are drawn, but at least 100. The intervals are described in `bootstrap.interval`, the details in the metric sets.
    """
    from consilience.evaluate import bootstrap

    answers, target = np.asarray(answers, np.float64), np.asarray(target)
    if groups is not None and np.shape(groups) != target.shape[:1]:
        raise DataError(f"{len(groups)} group numbers for {len(target)} rows: give one for each row, or none")
    make = metric_set(of)
    given = make(answers, target)  # refuses what cannot be compared, before anything is computed from it
    if not len(target):
        return {**_measured(given), "details": given.details(names)}
    order = bootstrap.canonical(answers, target, groups, weights)
    given = make(answers[order], target[order])
    unit = bootstrap.units(None if groups is None else np.asarray(groups)[order], len(target))
    resamples = min(resamples, max(_FEWEST, _WORK // answers.size))
    counts = None if weights is None else np.asarray(weights, np.float64)[order, None]
    measured = _measured(given, unit=unit, seed=seed, resamples=resamples, counts=counts)
    if not isinstance(of, str):  # what models are chosen by comes first
        measured = {of.primary: measured[of.primary], **measured}
    return {**measured, "details": given.details(names)}


def by_group(
    of: Of,
    answers: np.ndarray,
    target: np.ndarray,
    column_values: Sequence[Any],
    *,
    names: Sequence[str],
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    seed: int = 0,
    resamples: int = 300,
    most: int = 20,
) -> dict[str, dict[str, Any]]:
    """{value of the column: {"rows": n, "metrics": {metric: {"value", "ci95"}}}}; see `groups.split` for the values.

    A class that does not occur in a group does not count there, and small groups keep the wide intervals they deserve.
    """
    from consilience.evaluate.groups import split

    answers, target = np.asarray(answers), np.asarray(target)
    if len(column_values) != len(target):
        raise DataError(f"{len(column_values)} cells to group {len(target)} rows by: give one for each row")
    out = {}
    for value, rows in split(column_values, most=most).items():
        within = None if groups is None else np.asarray(groups)[rows]
        mine = None if weights is None else np.asarray(weights)[rows]
        metrics = score(
            of,
            answers[rows],
            target[rows],
            names=names,
            groups=within,
            weights=mine,
            seed=seed,
            resamples=resamples,
        )
        del metrics["details"]
        out[value] = {"rows": len(rows), "metrics": metrics}
    return out


def _measured(
    given: Any,
    *,
    unit: np.ndarray | None = None,
    seed: int = 0,
    resamples: int = 0,
    counts: np.ndarray | None = None,
) -> dict[str, Any]:
    """`counts` [N, 1]: how much each row counts whenever it is drawn."""
    from consilience.evaluate import bootstrap
    from consilience.evaluate.base import plain

    rows = 0 if unit is None else len(unit)
    values = given.values(np.ones((rows, 1)) if counts is None else counts)
    drawn = []
    if unit is not None and resamples > 0:
        every = bootstrap.resampled(unit, resamples=resamples, seed=seed)
        drawn = [given.values(often if counts is None else often * counts) for often in every]
    out = {}
    for metric in given.metrics:
        value = values[metric.name][0]
        samples = np.concatenate([chunk[metric.name] for chunk in drawn]) if drawn else np.zeros(0)
        count = 0 if unit is None else int(unit.max()) + 1
        out[metric.name] = {"value": plain(value), "ci95": bootstrap.interval(samples, value, metric, count=count)}
    return out
