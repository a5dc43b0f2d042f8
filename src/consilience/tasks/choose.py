"""Which task a target is for: what the user said, or what the target looks like. Knows no task by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consilience.core.config import Part, decode_part
from consilience.core.errors import DataError, unknown
from consilience.tasks import TASKS
from consilience.tasks.base import Task
from consilience.tasks.cells import Line, from_one

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A fitted task, why it was taken, and what the user should know of the choice."""

    task: Task
    reason: str
    notes: tuple[str, ...] = ()


def settings(raw: Any, path: str, problems: list[str]) -> Part | None:
    """What the config says of a task: "auto", a kind, or {kind, its settings}; the kind may be left out where only one
    task has such settings. None, and a line in `problems`, where it is wrong. "auto" is a Part without a config."""
    if isinstance(raw, Mapping) and "kind" not in raw:
        has = {kind: {f.name for f in dataclasses.fields(TASKS.load(kind).Config)} for kind in TASKS}
        kinds = [kind for kind in TASKS if raw and set(raw) <= has[kind]]
        if len(kinds) != 1:
            known = sorted(set().union(*has.values()))
            strange = [key for key in raw if key not in known]
            problems += [f"{path}.{key}: {unknown('key', str(key), known)}" for key in strange]
            if not strange:
                problems.append(f"{path}: say which kind of task is meant: {path}.kind={'|'.join(TASKS)}")
            return None
        raw = {"kind": kinds[0], **raw}
    if raw == AUTO or (isinstance(raw, Mapping) and dict(raw) == {"kind": AUTO}):
        return Part(kind=AUTO, config=None)
    kind = raw["kind"] if isinstance(raw, Mapping) else raw
    if isinstance(kind, str) and kind not in (AUTO, *TASKS):
        problems.append(f"{path}: {unknown('task', kind, (AUTO, *TASKS))}")
        return None
    if isinstance(raw, Mapping) and raw["kind"] == AUTO:
        problems.append(f"{path}: settings belong to a kind; say which: {path}.kind={'|'.join(TASKS)}")
        return None
    return decode_part(raw, path, problems, TASKS)


def blank_is_answer(part: Part) -> bool:
    return part.kind != AUTO and bool(TASKS.load(part.kind).blank_is_answer(part.config))


def named(part: Part) -> tuple[Any, ...]:
    """Labels that the user's settings of a task name."""
    return () if part.kind == AUTO else tuple(TASKS.load(part.kind).named(part.config))


def recognise(cells: Sequence[Any], column: str) -> tuple[str, str, tuple[str, ...]]:
    """The kind of task that raw target cells (none missing) are for, why, and what may be meant instead. Raises
    DataError where none is."""
    claims = {kind: reason for kind in TASKS if (reason := TASKS.load(kind).claims(cells)) is not None}
    if not claims:
        raise DataError(f"column {column!r}: no task fits this target; pass --task {' or '.join(TASKS)}")
    kind = next(iter(claims))
    notes = (TASKS.load(other).nearly(cells) for other in TASKS if other not in claims)
    return kind, claims[kind], tuple(f"column {column!r}: {note}" for note in notes if note)


def choose(part: Part, cells: Sequence[Any], *, column: str, line: Line = from_one) -> Chosen:
    """The task of a target of one column, fitted."""
    if part.kind == AUTO:
        kind, reason, notes = recognise(cells, column)
    else:
        kind, reason, notes = part.kind, "as you said", ()
    task = TASKS.load(kind).fit(cells, column=column, config=part.config, line=line)
    return Chosen(task=task, reason=reason, notes=(*notes, *(f"column {column!r}: {note}" for note in task.notes)))


def choose_many(
    part: Part, cells: Sequence[tuple[Any, ...]], *, columns: Sequence[str], line: Line = from_one
) -> Chosen:
    """The task of a target of several columns, fitted. One that takes but one column is meant for each of them."""
    kind = part.kind
    if kind == AUTO or not TASKS.load(kind).many:
        each, kind = part, next(k for k in TASKS if TASKS.load(k).many and TASKS.load(k).holds_others)
        part = Part(kind=kind, config=TASKS.load(kind).Config(each=each))
    fit = TASKS.load(kind).fit
    task: Task = fit(cells, column=", ".join(columns), config=part.config, line=line, columns=tuple(columns))
    reason = "; ".join([f"{len(columns)} target columns", *task.reasons])
    return Chosen(task=task, reason=reason, notes=tuple(task.notes))
