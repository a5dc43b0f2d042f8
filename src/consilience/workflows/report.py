"""What a fit found, in the shape that evaluate/report.py shows."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from consilience import __version__
from consilience.core.config import dump_toml
from consilience.data.table import blocks, pick
from consilience.evaluate import by_group
from consilience.evaluate.report import BadCells, Baseline, Column, Curve, ReportData, write_report
from consilience.modalities.base import blanks
from consilience.workflows.config import RunConfig
from consilience.workflows.errors_shown import Shown, worst
from consilience.workflows.leaderboard import Entry, Measured, rank
from consilience.workflows.prepare import Prepared

_FEW, _MOST_REASONS = 12, 20


def write(
    path: Path,
    *,
    config: RunConfig,
    prepared: Prepared,
    entries: Sequence[Entry],
    best: Entry,
    test: Measured | None,
    answers: np.ndarray | None,
    audited: Mapping[str, Any] | None = None,
) -> None:
    """`entries`: best first. `answers`: of the best model to the test rows, where there are any."""
    task = prepared.task
    side = "valid" if test is None else "test"
    data = ReportData(
        target=", ".join(prepared.targets),
        task=task.kind,
        scored=task,
        primary=task.primary,
        leaderboard=[entry.line() for entry in entries],  # type: ignore[misc]
        best=best.name,
        rows={name: len(part.target) for name, part in prepared.parts.items()},  # type: ignore[typeddict-item]
        seed=config.seed,
        date=datetime.date.today().isoformat(),
        version=__version__,
        data=Path(prepared.tables["train"].name).name,
        baselines=_baselines(entries, prepared),
        test=test.metrics if test else None,
        details=(test or best.measured).details,
        details_on="validation" if test is None else "test",
        curves=[_curve(entry) for entry in entries if "curve" in entry.about.facts],
        groups=_groups(config, prepared, side, best.answers if answers is None else answers),
        errors=_errors(config, prepared, side, best.answers if answers is None else answers),
        bad_cells=_bad_cells(prepared),
        columns=_columns(prepared),
        warnings=[*prepared.warnings, *(audited["findings"] if audited else ())],
        audit=audited,
        config=dump_toml(config),
    )
    write_report(path, data)


def _baselines(entries: Sequence[Entry], prepared: Prepared) -> list[Baseline]:
    """The answer that looks at nothing, and the best model of a single input."""
    primary = prepared.task.primary
    nothing = [e for e in entries if not e.inputs]
    single = sorted((e for e in entries if len(e.inputs) == 1), key=lambda e: rank(e, prepared.task), reverse=True)
    found: list[Baseline] = []
    for label, of in (("looking at nothing ({})", nothing), ("the best single input ({})", single)):
        for entry in of[:1]:
            name = entry.name if not entry.inputs else f"{entry.inputs[0]}: {entry.name}"
            metric = entry.metrics[primary]
            found.append({"label": label.format(name), "value": metric["value"], "ci95": metric["ci95"]})
    return found


def _curve(entry: Entry) -> Curve:
    names = {"valid_score": "metric"}
    epochs = [{names.get(key, key): value for key, value in epoch.items()} for epoch in entry.about.facts["curve"]]
    return {"name": entry.name, "epochs": epochs}  # type: ignore[typeddict-item]


def _groups(config: RunConfig, prepared: Prepared, side: str, answers: np.ndarray) -> dict[str, Any]:
    """By the column the split was grouped by, and by a few columns of few values, fewest first."""
    part, found = prepared.parts[side], {}
    wide = part.widen(answers)
    for column in _sliced(config, prepared, side):
        values = pick(part.table[column], part.rows)
        found[column] = by_group(
            part.task,
            wide,
            part.target,
            values,
            names=part.names,
            groups=part.groups,
            weights=part.weights,
            seed=config.seed,
        )
    return found


def _sliced(config: RunConfig, prepared: Prepared, side: str) -> list[str]:
    table = prepared.parts[side].table
    few = {c.name: c.distinct for c in prepared.inference.columns if 2 <= c.distinct <= _FEW and c.input is not None}
    chosen = sorted((c for c in few if c in table.columns), key=lambda c: (few[c], c))[: config.report.slices]
    group = config.data.group
    return [*([group] if group in table.columns and group is not None else []), *(c for c in chosen if c != group)]


def _errors(config: RunConfig, prepared: Prepared, side: str, answers: np.ndarray) -> list[dict[str, Any]]:
    shown = Shown(task=prepared.task, inputs=prepared.inputs, limits=prepared.limits, targets=prepared.targets)
    return worst(shown, prepared.parts[side], answers, most=config.report.errors)


def _bad_cells(prepared: Prepared) -> list[BadCells]:
    """By column and reason (in which numbers and quotations are left open), most rows first."""
    found: dict[tuple[str, str], list[str]] = {}
    for side, problems in prepared.problems.items():
        table = prepared.tables[side]
        for problem in problems:
            kind = re.sub(r"'[^']*'|\"[^\"]*\"|\d[\d,.]*", "…", problem.reason)
            found.setdefault((problem.column, kind), []).append(f"row {table.line(problem.row)}: {problem.reason}")
    most = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:_MOST_REASONS]
    return [
        {"column": column, "reason": kind, "rows": len(where), "example": where[0]} for (column, kind), where in most
    ]


def _columns(prepared: Prepared) -> list[Column]:
    bad = Counter(problem.column for found in prepared.problems.values() for problem in found)
    return [
        {
            "column": report.name,
            "kind": report.kind,
            "modality": report.modality or "",
            "reason": report.reason,
            "missing": report.missing,
            "bad": bad[report.name],
        }
        for report in prepared.inference.columns
    ]


def baseline(prepared: Prepared, answers: np.ndarray) -> dict[str, list[Any]]:
    """Training-time statistics for monitoring to compare with, as columns input, statistic, value: how often each
    input is missing, mean and deviation of its dense features and its measures, and how the answers are spread (on
    validation)."""
    rows: list[tuple[str, str, float]] = []
    train = prepared.parts["train"]
    for name, given in prepared.inputs.items():
        blank = np.ones(len(train.rows), bool)
        for column in given.plan.columns:
            missing = np.concatenate([np.zeros(0, bool), *map(blanks, blocks(train.table[column]))])
            blank &= missing[train.rows]
        rows.append((name, "missing", float(blank.mean())))
        source = train.view.sources[name]
        for features in (source.known_features(), source.measures()):
            if features is None or not isinstance(features.matrix, np.ndarray):
                continue
            held = np.bincount(train.view.index[name], minlength=len(source.values)) * features.present
            known = np.isfinite(features.matrix)
            weight = np.maximum((held[:, None] * known).sum(0), 1)
            values = np.where(known, features.matrix, 0.0).astype(np.float64)
            mean = held @ values / weight
            deviation = np.sqrt(np.maximum(held @ values**2 / weight - mean**2, 0))
            for title, array in (("mean", mean), ("deviation", deviation)):
                rows += [(name, f"{title} of {f}", float(v)) for f, v in zip(features.names, array, strict=True)]
    for name, column in zip(prepared.task.names, answers.T, strict=True):
        rows.append(("", f"mean answer {name}", float(column.mean())))
    return {
        key: list(values) for key, values in zip(("input", "statistic", "value"), zip(*rows, strict=True), strict=True)
    }
