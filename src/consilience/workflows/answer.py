"""Using a trained model on a table: predict and evaluate. Nothing here trains."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from consilience import __version__
from consilience.bundle.load import load
from consilience.bundle.manifest import write_text
from consilience.bundle.model import Model
from consilience.core.errors import DataError, UserError
from consilience.core.progress import Reporter
from consilience.core.writable import check_writable
from consilience.data.cells import Problem
from consilience.data.check import write_bad_cells
from consilience.data.fetch import fetching
from consilience.data.sources import flat, holds_lists, read, write
from consilience.data.table import Table
from consilience.evaluate import by_group, score, scores
from consilience.tasks.base import Task
from consilience.workflows.errors_shown import ERRORS, Shown, worst
from consilience.workflows.overlooked import never_predicted
from consilience.workflows.prepare import Part, independent
from consilience.workflows.targets import truth


def predict(
    run: Path,
    source: Any,
    *,
    out: Path | None,
    proba: bool,
    root: Path | None,
    hosts: Sequence[str] = (),
    reporter: Reporter,
) -> dict[str, Any]:
    """Answer every row of a table, in its order: its columns, then `prediction` (of several targets one
    `prediction_<target>` each), then with `proba` one `proba_<class>` each (`proba_<target>_<class>`). Written
    to `out` (.csv, .parquet or .jsonl) where given. `hosts`: whose URLs are fetched.
    A column that the table has already under one of these names is kept, and ours gets a number behind its name.
    Returns {"rows", "bad_cells", "out", "columns", "renamed", "warnings"}."""
    if out is not None:
        check_writable(out, "--out")
    model = load(run)
    table = _read(source, root, reporter)
    if not len(table):
        raise DataError(f"{table.name}: the table has no rows to predict")
    with fetching(table, model.media, hosts, max_bytes=model.limits.bytes, reporter=reporter) as given:
        prediction = model.answer(given, reporter=reporter)
    nested = out is not None and holds_lists(out)
    added: dict[str, list[Any]] = dict(model.task.predictions(prediction.answers, nested=nested))
    if proba and model.task.discrete:
        added |= {f"proba_{prediction.names[k]}": prediction.answers[:, k].tolist() for k in model.task.probable}
    elif proba:
        raise UserError(f"--proba: {model.target!r} is a number, which has no class probabilities; leave --proba out")
    added, renamed = _beside(added, table.columns)
    for name, free in renamed.items():
        reporter.say(f"the table has a column {name!r} of its own, which is kept; the model's answer is in {free!r}")
    for text in prediction.warnings:
        reporter.say(f"warning: {table.name}: {text}")
    kept = table.columns if out is not None and out.suffix.lower() == ".parquet" else _without_bytes(table, reporter)
    columns = {**{name: list(cells) for name, cells in kept.items()}, **added}
    if not nested:
        columns = {name: [flat(cell) for cell in cells] for name, cells in columns.items()}
    if out is not None:
        write(columns, out)
        _report_bad(prediction.problems, out.with_name(f"{out.stem}.bad_cells.csv"), table, reporter)
    return {
        "rows": len(table),
        "bad_cells": sum(p.whole for p in prediction.problems),
        "out": None if out is None else str(out),
        "columns": columns,
        "renamed": renamed,
        "warnings": list(prediction.warnings),
    }


def _beside(added: Mapping[str, list[Any]], taken: Collection[str]) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """The added columns under names that are free, and the names that were changed: old -> new."""
    out: dict[str, list[Any]] = {}
    renamed = {}
    for name, cells in added.items():
        numbered = chain([name], (f"{name}_{k}" for k in count(2)))
        free = next(n for n in numbered if n not in taken and n not in out)
        out[free] = cells
        if free != name:
            renamed[name] = free
    return out, renamed


def evaluate(
    run: Path,
    source: Any,
    *,
    by: str | None,
    html: Path | None = None,
    root: Path | None,
    hosts: Sequence[str] = (),
    seed: int,
    reporter: Reporter,
) -> dict[str, Any]:
    """{"metrics", "rows", "bad_cells", "bad_parts", "warnings", "by"}: scores with 95 % intervals of the model of a run
    or bundle on a table. "bad_parts": numbers, categories and dates that could not be read.

    Where the model was trained with weights and the table has their column, rows count by it; "unweighted" then has the
    metrics of rows that all count alike.
    """
    if html is not None:
        check_writable(html, "--html")
    model = load(run)
    table = _read(source, root, reporter)
    found = truth(model, table, reporter=reporter)
    table, rows, target, opened, counts = found.table, found.rows, found.target, found.task, found.weights
    names, grouping = opened.names, None if by is None else table[by]
    with fetching(table, model.media, hosts, max_bytes=model.limits.bytes, reporter=reporter) as given:
        dataset = model.load(given, reporter=reporter)
        said = model.member.predict(model.view(dataset).take(rows))
        groups = independent(dataset, table, None)[rows]
        part = Part(
            view=model.view(dataset).take(rows),
            target=target,
            task=opened,
            known=model.task,
            weights=counts,
            groups=groups,
            table=given,
            rows=rows,
        )
        errors = [] if html is None else worst(Shown.of(model), part, said, most=ERRORS)
    found_bad = dict.fromkeys(p for cells in dataset.inputs.values() for p in cells.problems)
    answers = opened.widen(said, model.task)
    known, truths = model.task.closed(target, opened)
    metrics = score(opened, answers, target, names=names, groups=groups, weights=counts, seed=seed)
    details = metrics.pop("details")
    out: dict[str, Any] = {
        "metrics": metrics,
        "rows": len(rows),
        "bad_cells": sum(p.whole for p in found_bad),
        "bad_parts": sum(not p.whole for p in found_bad),
        "warnings": [
            *(f"{table.name}: {text}" for text in model.compare(given, dataset)),
            *found.warnings,
            *never_predicted(model.task, said[known], truths, where="given"),
        ],
        "by": {},
    }
    for warning in out["warnings"]:
        reporter.say(f"warning: {warning}")
    if grouping is not None:
        values = [grouping[int(r)] for r in rows]
        out["by"] = by_group(opened, answers, target, values, names=names, groups=groups, weights=counts, seed=seed)
    if counts is not None:
        plain = score(opened, answers, target, names=names, groups=groups, seed=seed)
        del plain["details"]
        out["unweighted"] = plain
    if html is not None:
        _write_page(html, out, model, opened, details=details, errors=errors, table=table, by=by)
    return out


def _write_page(
    path: Path, found: Mapping[str, Any], model: Model, task: Task, *, details: Any, errors: Any, table: Table, by: Any
) -> None:
    text = scores.page(
        name=model.name,
        target=", ".join(model.targets or (model.target,)),
        scored=task,
        primary=model.task.primary,
        metrics=found["metrics"],
        details=details,
        rows=found["rows"],
        data=Path(table.name).name,
        groups={by: found["by"]} if by is not None else {},
        errors=errors,
        version=__version__,
        date=datetime.date.today().isoformat(),
    )
    try:
        write_text(path, text)
    except OSError as error:
        raise UserError(f"{path}: the page cannot be written: {error.strerror or error}") from error


def _without_bytes(table: Table, reporter: Reporter) -> dict[str, Sequence[Any]]:
    """The columns that can be written as text."""
    held = [name for name, cells in table.columns.items() if any(isinstance(cell, bytes) for cell in cells)]
    if held:
        reporter.say(f"columns of bytes are not written ({', '.join(held)}); --out FILE.parquet keeps them")
    return {name: cells for name, cells in table.columns.items() if name not in held}


def _read(source: Any, root: Path | None, reporter: Reporter) -> Table:
    table = read(source, root=root)
    for note in table.notes:
        reporter.say(f"warning: {note}")
    return table


def _report_bad(problems: tuple[Problem, ...], path: Path, table: Any, reporter: Reporter) -> None:
    if problems:
        write_bad_cells(problems, path, table=table)
        reporter.say(f"{len(problems):,} bad cells were taken as missing: {path}")
