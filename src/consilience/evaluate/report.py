"""report.html: one self-contained page about a run, for people. Shows what it is given and computes no metric. Of the
user's data it holds the worst errors, when it is given them. Everything that came from outside (names, labels, texts)
is escaped.

The page opens offline, in light and dark, on a phone and in print. The lead sentences are here, the tables and charts
of each part in sections.py, the page around them in template.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Required, TypedDict

from consilience.core.errors import UserError
from consilience.evaluate import audited, cards, sections, template
from consilience.evaluate.charts import text
from consilience.evaluate.sections import lowered, measure, metric_titles, shown


class Measured(TypedDict):
    """One metric as `evaluate.score` gives it."""

    value: float | None
    ci95: list[float] | None


class Entry(TypedDict):
    """One model of the leaderboard, best first; `metrics` is on the validation rows, a "details" key is ignored."""

    name: str
    preset: str
    fusion: str | None
    inputs: Sequence[str]
    metrics: Mapping[str, Measured]
    cpu_seconds: float | None
    ms_per_row: float | None


class Baseline(TypedDict):
    """What the best model is compared with, on the same rows by the primary metric."""

    label: str
    """A noun phrase: "always answering the most frequent class", "the best single input (question)"."""
    value: float | None
    ci95: list[float] | None


class Epoch(TypedDict, total=False):
    epoch: Required[int]
    train_loss: float | None
    valid_loss: float | None
    metric: float | None
    """The primary metric on the validation rows."""


class Curve(TypedDict):
    """The learning curve of one trained network."""

    name: str
    epochs: Sequence[Epoch]


class Column(TypedDict):
    """One column of the table and what became of it."""

    column: str
    kind: str
    modality: str
    reason: str
    missing: float | None
    """Share of the rows, 0 to 1."""
    bad: int
    """Cells that could not be used."""


class BadCells(TypedDict):
    """Cells of one column that could not be used for one reason."""

    column: str
    reason: str
    rows: int
    example: str
    """Where the first of them is."""


class ReportData(TypedDict, total=False):
    """All a report shows. What is absent or empty has no section."""

    target: Required[str]
    task: Required[str]
    """The task's kind, a key of `evaluate.METRICS`."""
    primary: Required[str]
    """The metric that chose the best model."""
    leaderboard: Required[Sequence[Entry]]
    best: Required[str]
    """`name` of the best entry."""
    rows: Mapping[str, int]
    """How many rows "train", "valid" and "test" have."""
    seed: int
    date: str
    version: str
    data: str
    """Name of the data file."""
    baselines: Sequence[Baseline]
    test: Mapping[str, Measured] | None
    """The best model's metrics on the test rows, if there are any."""
    scored: Any
    """The task, where its metrics depend on more than its kind."""
    details: Mapping[str, Any]
    """The best model's `score(...)["details"]`."""
    details_on: str
    """Which rows `details` and `groups` are about: "validation" (the default) or "test"."""
    curves: Sequence[Curve]
    groups: Mapping[str, Mapping[str, Any]]
    """{column: what `by_group` gives for it}."""
    columns: Sequence[Column]
    bad_cells: Sequence[BadCells]
    errors: Sequence[Mapping[str, Any]]
    """The rows that the best model got most wrong, of those that `details` are about: {"row", "true", "predicted",
    "confidence", "cells": [{"input", "words", "data": a data: URL or ""}]}."""
    warnings: Sequence[str]
    """About the split, leaks, data: plain sentences."""
    audit: Mapping[str, Any] | None
    """What the audit found (docs/audit.md)."""
    config: str
    """The whole config as TOML."""


def write_report(path: str | os.PathLike[str], data: ReportData) -> None:
    """Write the page. It replaces an older one at once: a reader never sees half a page.

    Raises UserError when `best` is not on the leaderboard or the file cannot be written.
    """
    path, content = Path(path), render(data).encode("utf-8")
    beside = path.with_name(path.name + ".partial")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise UserError(f"{path}: the report cannot be written: {error.strerror or error}") from error


def render(data: ReportData) -> str:
    """The page as a string."""
    best = next((entry for entry in data["leaderboard"] if entry["name"] == data["best"]), None)
    if best is None:
        known = ", ".join(entry["name"] for entry in data["leaderboard"]) or "nothing"
        raise UserError(f"the best model {data['best']!r} is not on the leaderboard, which holds {known}")
    details = data.get("details") or {}
    where = data.get("details_on", "validation")
    body = [
        _verdict(data, best),
        sections.warnings(data.get("warnings") or ()),
        sections.leaderboard(data["leaderboard"], data["best"], scored(data), data["primary"]),
        audited.audit(data.get("audit"), scored(data)),
        sections.costs(data["leaderboard"], data["best"], measure(scored(data), data["primary"])),
        cards.errors(data.get("errors") or (), where),
        *answers_shown(details, where),
        *(
            sections.per_group(column, groups, scored(data), data["primary"], where)
            for column, groups in (data.get("groups") or {}).items()
        ),
        sections.curves(data.get("curves") or (), measure(scored(data), data["primary"])),
        sections.columns(data.get("columns") or ()),
        sections.bad_cells(data.get("bad_cells") or ()),
        metric_titles(scored(data)),
        sections.config(data.get("config") or ""),
    ]
    version = " " + text(data["version"]) if "version" in data else ""
    return template.page(
        title=text(f"{data['target']} · {data['best']} · Consilience"),
        header=_header(data),
        body="\n".join(part for part in body if part),
        footer=f"Consilience{version}. Intervals are 95 % bootstrap intervals; rows that share content are redrawn "
        f"together. {_rows_held(data)} It loads nothing from the network.",
    )


def _rows_held(data: ReportData) -> str:
    """What a reader must know before handing the page on."""
    count = len(data.get("errors") or ())
    return f"This page shows {count} rows of the data." if count else "This page holds no row of the data."


def scored(data: ReportData) -> Any:
    """What the metrics are of: the task itself where it was given, else its kind."""
    return data.get("scored", data["task"])


def answers_shown(details: Mapping[str, Any], where: str) -> list[str]:
    """What there is to show of the answers; of several targets, target by target."""
    if "targets" in details:
        return [
            f'<h2 class="target">Target <bdi>{text(name)}</bdi></h2>' + "\n".join(answers_shown(own, where))
            for name, own in details["targets"].items()
        ]
    parts = (sections.confusion, sections.per_class, sections.calibration, sections.residuals)
    return [part(details, where) for part in parts]


def _header(data: ReportData) -> str:
    rows = data.get("rows") or {}
    facts: list[tuple[str, Any]] = [("Task", data["task"]), ("Data", data.get("data"))]
    facts += [(f"{title} rows", f"{rows[key]:,}") for key, title in _PARTS if key in rows]
    facts += [("Seed", data.get("seed")), ("Date", data.get("date")), ("Version", data.get("version"))]
    listed = "".join(
        f"<div><dt>{name}</dt><dd><bdi>{text(value)}</bdi></dd></div>" for name, value in facts if value is not None
    )
    return f'<h1>Predicting <bdi>{text(data["target"])}</bdi></h1><dl class="facts">{listed}</dl>'


_PARTS = (("train", "Training"), ("valid", "Validation"), ("test", "Test"))


def _verdict(data: ReportData, best: Entry) -> str:
    metric = measure(scored(data), data["primary"])
    rows = data.get("rows") or {}
    entry = best["metrics"].get(data["primary"], {"value": None, "ci95": None})
    others = len(data["leaderboard"])
    rank = f"is the best of {others} models" if others > 1 else "is the only model"
    first = (
        f'<p class="lead"><strong><bdi>{text(best["name"])}</bdi></strong> {rank}: {lowered(metric.title)} '
        f"<strong>{shown(entry['value'], metric)}</strong> on the {_count(rows, 'valid', 'validation rows')}"
        f"{_interval(entry, metric)}.</p>"
    )
    test = (data.get("test") or {}).get(data["primary"])
    if test is not None:
        second = (
            f"<p>On the {_count(rows, 'test', 'test rows')}, which took no part in any choice: "
            f"<strong>{shown(test['value'], metric)}</strong>{_interval(test, metric)}.</p>"
        )
    elif others > 1:
        second = "<p>No test rows: the score is a little optimistic, because the same rows chose the model.</p>"
    else:
        second = ""
    compared = "".join(_comparison(entry, baseline, metric) for baseline in data.get("baselines") or ())
    return f'<div class="verdict" role="region" aria-label="Verdict">{first}{second}{compared}</div>'


def _comparison(best: Measured, baseline: Baseline, metric: Any) -> str:
    """How far the best model is from a baseline, and whether the intervals leave room for doubt."""
    label = text(baseline["label"])
    named = f"<p>{label[:1].upper()}{label[1:]}: {shown(baseline['value'], metric)}. "
    if best["value"] is None or baseline["value"] is None:
        return named + "</p>"
    gain = (best["value"] - baseline["value"]) * (1 if metric.greater_is_better else -1)
    if abs(gain) < 1e-12:
        return named + "The best model is exactly as good.</p>"
    size = f"{abs(100 * gain):.1f} points" if metric.percent else shown(abs(gain), metric)
    verb = f"The best model is {size} {'better' if gain > 0 else 'worse'}"
    ours, theirs = best["ci95"], baseline.get("ci95")
    if ours is None or theirs is None:
        return f"{named}{verb}.</p>"
    apart = ours[0] > theirs[1] or theirs[0] > ours[1]
    doubt = ", clearly: the intervals do not overlap." if apart else ", but the intervals overlap: it may be chance."
    return f"{named}{verb}{doubt}</p>"


def _interval(entry: Measured, metric: Any) -> str:
    bounds = entry.get("ci95")
    if bounds is None:
        return ""
    return f' <span class="soft">(95 % interval {shown(bounds[0], metric)} to {shown(bounds[1], metric)})</span>'


def _count(rows: Mapping[str, Any], part: str, name: str) -> str:
    return f"{rows[part]:,} {name}" if part in rows else name
