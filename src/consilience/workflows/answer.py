"""Using a trained model on a table: predict and evaluate. Nothing here trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from consilience.bundle.load import load
from consilience.core.errors import DataError, UserError
from consilience.core.progress import Reporter
from consilience.data.cells import Problem
from consilience.data.check import write_bad_cells
from consilience.data.sources import read, write
from consilience.data.table import Table
from consilience.evaluate import by_group, score
from consilience.modalities.base import is_blank
from consilience.workflows.prepare import independent


def predict(
    run: Path, source: Any, *, out: Path | None, proba: bool, root: Path | None, reporter: Reporter
) -> dict[str, Any]:
    """Answer every row of a table, in its order: its columns, then `prediction`, then with `proba` one `proba_<class>`
    each. Written to `out` (.csv, .parquet or .jsonl) where given. Returns {"rows", "bad_cells", "out", "columns"}."""
    model = load(run)
    table = _read(source, root, reporter)
    if not len(table):
        raise DataError(f"{table.name}: the table has no rows to predict")
    prediction = model.answer(table, reporter=reporter)
    added: dict[str, list[Any]] = {"prediction": prediction.labels}
    if proba and model.task.discrete:
        added |= {f"proba_{name}": prediction.answers[:, k].tolist() for k, name in enumerate(prediction.names)}
    elif proba:
        raise UserError(f"--proba: {model.target!r} is a number, which has no class probabilities; leave --proba out")
    if clash := [name for name in added if name in table.columns]:
        raise UserError(f"{table.name}: a column is already called {clash[0]!r}; rename it before predicting")
    kept = table.columns if out is not None and out.suffix.lower() == ".parquet" else _without_bytes(table, reporter)
    columns = {**{name: list(cells) for name, cells in kept.items()}, **added}
    if out is not None:
        write(columns, out)
        _report_bad(prediction.problems, out.with_name(f"{out.stem}.bad_cells.csv"), table, reporter)
    return {
        "rows": len(table),
        "bad_cells": sum(p.whole for p in prediction.problems),
        "out": None if out is None else str(out),
        "columns": columns,
    }


def evaluate(
    run: Path, source: Any, *, by: str | None, root: Path | None, seed: int, reporter: Reporter
) -> dict[str, Any]:
    """{"metrics", "rows", "bad_cells", "by"}: scores with 95 % intervals of the model of a run or bundle on a table."""
    model = load(run)
    table = _read(source, root, reporter)
    cells = table[model.target]
    grouping = table[by] if by is not None else None
    rows = np.array([r for r, cell in enumerate(cells) if not is_blank(cell)], np.int64)
    if not len(rows):
        raise DataError(f"{table.name}: no row with a target in {model.target!r}, so there is nothing to compare with")
    if len(rows) < len(table):
        reporter.say(f"{len(table) - len(rows):,} rows without a target are left out")
    target, names = model.task.encode_open([cells[r] for r in rows])
    if len(names) > model.task.width:
        reporter.say(f"labels the model never saw, counted as wrong: {', '.join(names[model.task.width :][:5])}")
    dataset = model.load(table, reporter=reporter)
    answers = model.member.predict(model.view(dataset).take(rows))
    answers = np.pad(answers, ((0, 0), (0, len(names) - answers.shape[1])))
    groups = independent(dataset, table, None)[rows]
    kind = model.task.kind
    metrics = score(kind, answers, target, names=names, groups=groups, seed=seed)
    del metrics["details"]
    out: dict[str, Any] = {
        "metrics": metrics,
        "rows": len(rows),
        "bad_cells": sum(p.whole for c in dataset.inputs.values() for p in c.problems),
        "by": {},
    }
    if grouping is not None:
        values = [grouping[r] for r in rows]
        out["by"] = by_group(kind, answers, target, values, names=names, groups=groups, seed=seed)
    return out


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
