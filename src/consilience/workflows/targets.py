"""From a table's target and weight columns to encoded targets and weights of rows. Knows tasks by their promises."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from consilience.bundle.model import Model
from consilience.core.config import Part
from consilience.core.errors import DataError
from consilience.core.progress import Reporter
from consilience.data.cells import Problem
from consilience.data.table import Table
from consilience.data.target import answered, cells_of, emptied, holds_numbers, weights_of
from consilience.evaluate import chosen_by
from consilience.modalities.base import MISSING_MARKERS
from consilience.tasks.base import Task
from consilience.tasks.choose import AUTO, choose, choose_many, named


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Rows of a table whose answers are known, for a model to be compared with."""

    table: Table
    """Without the rows of weight 0."""
    rows: np.ndarray
    """Of `table`."""
    target: np.ndarray
    task: Task
    """The model's, opened to the labels that only these rows have."""
    warnings: tuple[str, ...]
    """What is wrong with the labels."""
    weights: np.ndarray | None
    """[N], 1 on average over the table; None: all alike."""


def truth(model: Model, table: Table, *, reporter: Reporter) -> Truth:
    """The rows of a table that have the model's target. Says what is left out, raises DataError where all is."""
    columns = model.targets or (model.target,)
    kept, weights, notes = weighed({"train": table}, model.weight if model.weight in table.columns else None)
    numbers = zip(columns, model.task.numbers, strict=True)
    table = emptied(kept["train"], [name for name, only in numbers if only])
    rows = np.flatnonzero(answered(table, columns) | model.task.reads_blank)
    if not len(rows):
        raise DataError(f"{table.name}: no row with a target in {model.target!r}, so there is nothing to compare with")
    if len(rows) < len(table):
        notes.append(f"{len(table) - len(rows):,} rows without a target are left out")
    target, opened = encoded(model.task, table, columns, rows)
    warnings = strange(model.task, opened, target)
    for note in notes:
        reporter.say(note)
    counts = None if weights is None else weights["train"][rows]
    return Truth(table=table, rows=rows, target=target, task=opened, warnings=tuple(warnings), weights=counts)


def weighed(
    tables: Mapping[str, Table], column: str | None
) -> tuple[dict[str, Table], dict[str, np.ndarray] | None, list[str]]:
    """The tables without the rows of weight 0, which thus have no influence on anything; the weights of their rows, 1
    on average over the training table; and warnings. A table beside the training table may lack the column."""
    if column is None:
        return dict(tables), None, []
    kept, weights, warnings = {}, {}, []
    for side, table in tables.items():
        if side != "train" and column not in table.columns:
            warnings.append(f"{table.name}: there is no weight column {column!r}, so its rows all count alike")
            kept[side], weights[side] = table, np.ones(len(table))
            continue
        found = weights_of(table, column)
        rows = np.flatnonzero(found > 0)
        if len(rows) < len(table):
            warnings.append(f"{table.name}: {len(table) - len(rows):,} rows have weight 0 and are left out")
            table = table.take(rows)
        kept[side], weights[side] = table, found[rows]
    mean = weights["train"].mean() if len(weights["train"]) else 1.0
    return kept, {side: own / mean for side, own in weights.items()}, warnings


def without_words(tables: Mapping[str, Table], targets: Sequence[str], asked: Part) -> dict[str, Table]:
    """The tables, where words such as NA are empty cells of those targets that are numbers in the training table and
    of which the user names no such word as a label."""
    spoken = {str(label) for label in named(asked)} & set(MISSING_MARKERS)
    some = [name for name in targets if not spoken and holds_numbers(tables["train"][name])]
    return {side: emptied(table, some) for side, table in tables.items()}


def targeted(table: Table, targets: Sequence[str], problems: list[Problem], *, everywhere: bool) -> np.ndarray:
    """The rows that have a target; the others are reported, and nothing is learned from them. `everywhere`: an empty
    cell is a target too."""
    there = answered(table, targets) | everywhere
    reason = "no target: the row is left out"
    missing = np.flatnonzero(~there).tolist()
    problems += [Problem(row=r, column=", ".join(targets), reason=reason) for r in missing]
    return np.flatnonzero(there)


def chosen_task(asked: Part, table: Table, targets: Sequence[str], rows: np.ndarray) -> tuple[Task, str, list[str]]:
    """The task the config names, or the first in the table of tasks that recognises the target; what was chosen in
    words; and warnings."""
    cells = cells_of(table, targets, rows)

    def line(place: int) -> int:
        return table.line(int(rows[place]))

    with _of(table):
        if len(targets) == 1:
            chosen = choose(asked, cells, column=targets[0], line=line)
        else:
            chosen = choose_many(asked, cells, columns=targets, line=line)
    about = f"target {', '.join(targets)!r}: {chosen.task.kind} ({chosen.reason})"
    notes = list(chosen.notes)
    if chosen.task.discrete and len(targets) == 1 and (odd := [n for n in chosen.task.names if n in MISSING_MARKERS]):
        notes.append(
            f"column {targets[0]!r}: {odd[0]!r} is taken for a label like the others; if it means that nothing is "
            "known, leave those cells empty"
        )
    return chosen.task, about, notes


def by_metric(
    metric: str,
    task: Task,
    table: Table,
    targets: Sequence[str],
    rows: np.ndarray,
    weights: Mapping[str, np.ndarray] | None,
) -> Task:
    """The task, its models chosen by the metric that the user named."""
    if metric == AUTO:
        return task
    target, _ = encoded(task, table, targets, rows)
    judged: Task = chosen_by(task, metric, task.constant(target, None if weights is None else weights["train"][rows]))
    return judged


def encoded(task: Task, table: Table, targets: Sequence[str], rows: np.ndarray) -> tuple[np.ndarray, Task]:
    """The targets of rows to be scored, and the task that knows all of their labels."""
    cells, column = cells_of(table, targets, rows), ", ".join(targets)

    def line(place: int) -> int:
        return table.line(int(rows[place]))

    with _of(table):
        opened = task.opened(cells, column=column, line=line)
        return opened.encode(cells, column=column, line=line), opened


@contextmanager
def _of(table: Table) -> Iterator[None]:
    """What is wrong with a target names the table, which tasks do not know."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{table.name}: {error}") from error


def unseen(task: Task, opened: Task) -> list[str]:
    """Labels that only the opened task knows."""
    return list((Counter(opened.names) - Counter(task.names)).elements())


def strange(task: Task, opened: Task, target: np.ndarray) -> list[str]:
    """A warning of labels that the model never saw: how many rows have one, and which known label is nearest."""
    new = unseen(task, opened)
    if not new:
        return []
    rows = len(task.unknown_rows(target, opened))
    shown = []
    for name in new[:5]:
        near = difflib.get_close_matches(name, task.names, n=1)
        shown.append(f"{name!r} (nearest known: {near[0]!r})" if near else repr(name))
    more, share = " …" if len(new) > 5 else "", f"{rows:,} of {len(target):,} rows ({rows / len(target):.1%})"
    known = ", ".join(map(repr, task.names[:5])) + (" …" if len(task.names) > 5 else "")
    return [
        f"{share} have labels the model never saw, counted as wrong: {', '.join(shown)}{more}. It knows {known}. Where "
        "a label means the same as one of those, write it in the same way"
    ]
