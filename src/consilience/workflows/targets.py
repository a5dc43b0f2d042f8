"""From a table's target and weight columns to encoded targets and weights of rows. Knows tasks by their promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from consilience.core.config import Part
from consilience.data.cells import Problem
from consilience.data.table import Table
from consilience.data.target import answered, cells_of, weights_of
from consilience.tasks.base import Task
from consilience.tasks.choose import choose, choose_many


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


def targeted(table: Table, targets: Sequence[str], problems: list[Problem], *, everywhere: bool) -> np.ndarray:
    """The rows that have a target; the others are reported, and nothing is learned from them. `everywhere`: an empty
    cell is a target too."""
    there = answered(table, targets) | everywhere
    reason = "no target: the row is left out"
    missing = np.flatnonzero(~there).tolist()
    problems += [Problem(row=r, column=", ".join(targets), reason=reason) for r in missing]
    return np.flatnonzero(there)


def chosen_task(asked: Part, table: Table, targets: Sequence[str], rows: np.ndarray) -> tuple[Task, list[str]]:
    """The task the config names, or the first in the table of tasks that recognises the target; and what was chosen
    in words."""
    cells = cells_of(table, targets, rows)

    def line(place: int) -> int:
        return table.line(int(rows[place]))

    if len(targets) == 1:
        chosen = choose(asked, cells, column=targets[0], line=line)
    else:
        chosen = choose_many(asked, cells, columns=targets, line=line)
    about = f"target {', '.join(targets)!r}: {chosen.task.kind} ({chosen.reason})"
    return chosen.task, [about, *(f"warning: {note}" for note in chosen.notes)]


def encoded(task: Task, table: Table, targets: Sequence[str], rows: np.ndarray) -> tuple[np.ndarray, Task]:
    """The targets of rows to be scored, and the task that knows all of their labels."""
    cells, column = cells_of(table, targets, rows), ", ".join(targets)

    def line(place: int) -> int:
        return table.line(int(rows[place]))

    opened = task.opened(cells, column=column, line=line)
    return opened.encode(cells, column=column, line=line), opened


def unseen(task: Task, opened: Task) -> list[str]:
    """Labels that only the opened task knows."""
    known = set(task.names)
    return [name for name in opened.names if name not in known]
