"""Using a trained model on a table: predict and evaluate. Nothing here trains."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from consilience import __version__
from consilience.bundle.compare import Comparison
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
    `prediction_<target>` each), then with `proba` one `proba_<class>` each (`proba_<target>_<class>`); `prediction_1`
    and so on where the table has such a column. Written to `out` (.csv, .parquet or .jsonl) where given. `hosts`: whose
    URLs are fetched. Returns {"rows", "bad_cells", "bad_rows", "warnings", "notes", "prediction_column", "out",
    "columns"}."""
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
    names = _free(added, table.columns)
    for name, free in names.items():
        if free != name:
            reporter.say(f"note: {table.name} has a column {name!r} already; ours is called {free!r}")
    added = {names[name]: cells for name, cells in added.items()}
    kept = table.columns if out is not None and out.suffix.lower() == ".parquet" else _without_bytes(table, reporter)
    columns = {**{name: list(cells) for name, cells in kept.items()}, **added}
    if not nested:
        columns = {name: [flat(cell) for cell in cells] for name, cells in columns.items()}
    if out is not None:
        write(columns, out)
        _report_bad(prediction.problems, out.with_name(f"{out.stem}.bad_cells.csv"), table, reporter)
    return {
        "rows": len(table),
        **_said(prediction.comparison, prediction.problems, reporter),
        "prediction_column": next(iter(added)),
        "out": None if out is None else str(out),
        "columns": columns,
    }


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
    """{"metrics", "rows", "bad_cells", "bad_rows", "warnings", "notes", "by"}: scores with 95 % intervals of the model
    of a run or bundle on a table.

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
        about = model.compare(table, dataset)
        problems = tuple(dict.fromkeys(p for cells in dataset.inputs.values() for p in cells.problems))
    answers = opened.widen(said, model.task)
    known, truths = model.task.closed(target, opened)
    metrics = score(opened, answers, target, names=names, groups=groups, weights=counts, seed=seed)
    details = metrics.pop("details")
    rare = never_predicted(model.task, said[known], truths, where="given")
    out: dict[str, Any] = {
        "metrics": metrics,
        "rows": len(rows),
        **_said(replace(about, warnings=(*found.warnings, *rare, *about.warnings)), problems, reporter),
        "by": {},
    }
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


def _said(about: Comparison, problems: Sequence[Problem], reporter: Reporter) -> dict[str, Any]:
    """Tell the user how a table differs; {"bad_cells": cells of which at least a part could not be read,
    "bad_rows": rows with such a cell by column, "warnings", "notes"}."""
    for text in about.warnings:
        reporter.say(f"warning: {text}")
    for text in about.notes:
        reporter.say(f"note: {text}")
    bad = Counter(column for _, column in {(p.row, p.column) for p in problems})
    return {
        "bad_cells": len(problems),
        "bad_rows": dict(sorted(bad.items())),
        "warnings": list(about.warnings),
        "notes": list(about.notes),
    }


def _free(names: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """For each name one that no column has: itself, or with the first free number behind it."""
    found: dict[str, str] = {}
    for name in names:
        numbered = chain([name], (f"{name}_{n}" for n in count(1)))
        found[name] = next(n for n in numbered if n not in taken and n not in found.values())
    return found


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
