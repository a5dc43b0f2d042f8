"""The parts of the report: each takes its piece of the data and gives HTML, or "" when there is nothing to show.

Knows tables and charts; knows no task's name: how a metric is titled and written comes from its metric set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consilience.evaluate import Of, charts, metric_set
from consilience.evaluate.base import Metric
from consilience.evaluate.charts import number, text
from consilience.evaluate.tables import amount, css, table, word

_LARGEST_MATRIX, _MOST_CURVES, _MOST_PAIRS = 30, 6, 10


def measure(kind: Of, name: str) -> Metric:
    """What is known of a metric; one that its metric set does not list is shown under its own name."""
    listed = {m.name: m for m in metric_set(kind).metrics}
    return listed.get(name) or Metric(name=name, title=name, meaning="")


def shown(value: float | None, metric: Metric) -> str:
    """A value as people read it: 97.1 %, 0.043, 1,204."""
    if value is None or not metric.percent:
        return number(value)
    share = f"{100 * value:.1f}".replace("-0.0", "0.0")
    if share in ("100.0", "0.0") and value not in (0.0, 1.0):
        share = f"{100 * value:.2f}"
    return f"{share}\u00a0%"


def quantity(value: float | None, metric: Metric) -> str:
    """A difference of two values as people read it: 3.1 points, 0.043."""
    if value is None or not metric.percent:
        return number(value, 3)
    return f"{100 * value:.1f} points".replace("-", "−")


def lowered(title: str) -> str:
    """A title within a sentence: "Accuracy" -> "accuracy", but "RMSE" and "R²" stay."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def section(title: str, about: str, *content: str) -> str:
    return f"<section><h2>{title}</h2><p>{about}</p>{''.join(content)}</section>"


def warnings(messages: Sequence[str]) -> str:
    if not messages:
        return ""
    listed = "".join(f"<li><bdi>{text(message)}</bdi></li>" for message in messages)
    return f'<div class="warnings" role="region" aria-label="Warnings"><h2>Worth a look</h2><ul>{listed}</ul></div>'


def leaderboard(entries: Sequence[Mapping[str, Any]], best: str, kind: Of, primary: str) -> str:
    found = dict.fromkeys(name for e in entries for name, m in e["metrics"].items() if "value" in m)
    every = [measure(kind, name) for name in sorted(found, key=lambda name: name != primary)]
    front = [m for m in every if m.headline or m.name == primary]
    about = "Validation scores, best first. The grey line under the first score is its 95 % interval."
    full = ""
    if len(every) > len(front):
        wide = _board(entries, best, every, timed=False, bounds=True)
        full = f"<details><summary>All {len(every)} metrics, with their intervals</summary>{wide}</details>"
    return section("Leaderboard", about, _board(entries, best, front, timed=True, bounds=False), full)


def _board(
    entries: Sequence[Mapping[str, Any]], best: str, metrics: Sequence[Metric], *, timed: bool, bounds: bool
) -> str:
    heads = [("Model", "")] + ([("Preset", ""), ("Fusion", ""), ("Inputs", "")] if timed else [])
    heads += [(m.title, f"{m.meaning} ({'higher' if m.greater_is_better else 'lower'} is better)") for m in metrics]
    heads += [("CPU s", "processor seconds to train"), ("ms / row", "milliseconds to predict a row")] if timed else []
    longest = {m.name: max((abs(_value(e, m) or 0) for e in entries), default=0) for m in metrics}
    rows = []
    for entry in entries:
        winner = entry["name"] == best
        cells = [word(entry["name"], head=True, after='<span class="tag">best</span>' if winner else "")]
        if timed:
            cells += [
                word(entry["preset"] or "–"),
                word(entry["fusion"] or "–"),
                word(", ".join(entry["inputs"]) or "–"),
            ]
        for place, metric in enumerate(metrics):
            value = _value(entry, metric)
            after = _bounds(entry["metrics"].get(metric.name, {}).get("ci95"), metric) if bounds or not place else ""
            if not place and timed and value is not None:
                after += _bar(abs(value), 1.0 if metric.share else longest[metric.name])
            cells.append(amount(value, shown(value, metric), after=after))
        if timed:
            cells += [amount(entry[key], number(entry[key], 3)) for key in ("cpu_seconds", "ms_per_row")]
        rows.append(("best" if winner else "", cells))
    return table(heads, rows, label="Leaderboard" if timed else "All metrics", kind="board")


def costs(entries: Sequence[Mapping[str, Any]], best: str, metric: Metric) -> str:
    """Every model by what it costs and how good it is: to predict, and to train."""
    figures = []
    scale = 100 if metric.percent else 1
    up = lowered(metric.title) + (", %" if metric.percent else "")
    for key, across, caption in (
        ("ms_per_row", "ms per row", "Cost of an answer"),
        ("cpu_seconds", "CPU-seconds", "Cost of the training"),
    ):
        points = [
            (float(e[key]), scale * value, e["name"], e["name"] == best)
            for e in entries
            if e["inputs"] and e[key] is not None and (value := _value(e, metric)) is not None
        ]
        title = f"{metric.title} against {across} of every model"
        chart = charts.scatter(points, title=title, across=across, up=up, greater_is_better=metric.greater_is_better)
        if chart:
            figures.append(f"<figure><figcaption>{caption}</figcaption>{chart}</figure>")
    if not figures:
        return ""
    about = "Validation scores of every model against its cost. The line joins those that nothing cheaper beats."
    return section("What quality costs", about, f'<div class="pair">{"".join(figures)}</div>')


def bad_cells(found: Sequence[Mapping[str, Any]]) -> str:
    """What could not be used, by column and reason."""
    if not found:
        return ""
    heads = [("Column", ""), ("Rows", ""), ("Why", ""), ("For example", "as the table counts its rows")]
    rows = [
        ("", [word(f["column"], head=True), amount(f["rows"], f"{f['rows']:,}"), word(f["reason"]), word(f["example"])])
        for f in found
    ]
    about = "Cells, or parts of cells, that could not be used and count as missing. bad_cells.csv lists every one."
    return section("Bad cells", about, table(heads, rows, label="Bad cells"))


def confusion(details: Mapping[str, Any], where: str) -> str:
    matrix, classes, pairs = (details.get(key) for key in ("confusion", "classes", "confused"))
    if not classes or not details.get("rows"):
        return ""
    parts = []
    if matrix and len(classes) <= _LARGEST_MATRIX:
        parts.append(_heat_map(matrix, classes))
    if pairs and len(classes) > 2:
        rows = [("", (word(t, head=True), word(p), amount(n, f"{n:,}"))) for t, p, n in pairs[:_MOST_PAIRS]]
        heads = (("True class", ""), ("Taken for", ""), ("Rows", ""))
        parts += [
            "<details open><summary>Most confused pairs</summary>",
            table(heads, rows, label="Most confused pairs"),
            "</details>",
        ]
    if not parts:
        return ""
    about = f"The best model on the {details['rows']:,} {text(where)} rows. "
    about += "Shading is the share of the true class." if matrix and len(classes) <= _LARGEST_MATRIX else ""
    return section("What is taken for what", about, *parts)


def _heat_map(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    long = len(classes) > 8 or max(map(len, classes)) > 12
    heads = "".join(f'<th scope="col" title="{text(c)}"><span><bdi>{text(c)}</bdi></span></th>' for c in classes)
    body = ""
    for name, row in zip(classes, matrix, strict=True):
        total = sum(row) or 1
        cells = "".join(
            f'<td style="--v:{n / total:.3f}"{css("zero" if not n else "on" if n / total > 0.5 else "")}>{n:,}</td>'
            for n in row
        )
        body += f'<tr><th scope="row" title="{text(name)}"><span><bdi>{text(name)}</bdi></span></th>{cells}</tr>'
    style = "matrix many" if len(classes) > 14 else "matrix"
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix"><table class="{style}">'
        f"<caption>Rows: true class. Columns: predicted class.</caption><thead><tr{css('tall' if long else '')}>"
        f"<td></td>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def per_class(details: Mapping[str, Any], where: str) -> str:
    entries = details.get("per_class")
    if not entries or not details.get("rows"):
        return ""
    percent, plain = Metric(name="", title="", meaning="", percent=True), Metric(name="", title="", meaning="")
    heads = (
        ("Class", ""),
        ("Rows", "rows of this class"),
        ("Precision", "how often a predicted class is right"),
        ("Recall", "how much of the class is found"),
        ("F1", "harmonic mean of precision and recall"),
        ("AUROC", "chance that a row of the class is ranked above a row of another"),
    )
    rows = []
    for e in entries:
        cells = [word(e["class"], head=True), amount(e["support"], f"{e['support']:,}")]
        cells += [amount(e[key], shown(e[key], percent)) for key in ("precision", "recall", "f1")]
        rows.append(("", [*cells, amount(e["auroc"], shown(e["auroc"], plain))]))
    about = f"The best model on the {text(where)} rows, class by class."
    return section("Per class", about, table(heads, rows, label="Per class"))


def calibration(details: Mapping[str, Any], where: str) -> str:
    bins = details.get("reliability")
    if not bins:
        return ""
    error = sum(b["rows"] * abs(b["confidence"] - b["accuracy"]) for b in bins) / sum(b["rows"] for b in bins)
    about = (
        "Does a stated confidence mean what it says? On the dashed line it does; below it the model is too sure of "
        f"itself, above it not sure enough. {len(bins)} bins of about equally many {text(where)} rows; "
        f"expected calibration error {100 * error:.1f}\u00a0%."
    )
    chart = charts.reliability(bins, title="Stated confidence against the share that was right")
    return section("Calibration", about, f'<figure class="narrow">{chart}</figure>')


def residuals(details: Mapping[str, Any], where: str) -> str:
    if "residuals" not in details:
        return ""
    spread, name = details["residuals"], details["name"]
    scatter = charts.density(details["scatter"], title=f"Predicted against true {name}")
    histogram = charts.histogram(
        spread["edges"], spread["counts"], title="Predicted minus true, rows per range", across="predicted − true"
    )
    rows = [("", (word(f"{float(q):.0%}", head=True), amount(v, number(v)))) for q, v in spread["quantiles"].items()]
    figures = (
        f'<div class="pair"><figure><figcaption>Predicted against true</figcaption>{scatter}</figure>'
        f"<figure><figcaption>Errors</figcaption>{histogram}</figure></div>"
    )
    listed = table((("Share of rows below", ""), ("Predicted − true", "")), rows, label="Quantiles of the error")
    about = f"The best model on the {details['rows']:,} {text(where)} rows. Darker cells hold more rows."
    return section("Errors", about, figures, f"<details><summary>Quantiles of the error</summary>{listed}</details>")


def per_group(column: str, groups: Mapping[str, Any], kind: Of, primary: str, where: str) -> str:
    if not groups:
        return ""
    found = dict.fromkeys(name for g in groups.values() for name in g["metrics"])
    metrics = [measure(kind, name) for name in sorted(found, key=lambda name: name != primary)]
    metrics = [m for m in metrics if m.headline or m.name == primary]
    rows = []
    for value, group in groups.items():
        cells = [word(value, head=True), amount(group["rows"], f"{group['rows']:,}")]
        for place, m in enumerate(metrics):
            score = _value(group, m)
            after = _bounds(group["metrics"][m.name]["ci95"], m) if m.name in group["metrics"] and not place else ""
            cells.append(amount(score, shown(score, m), after=after))
        rows.append(("", cells))
    heads = [(column, ""), ("Rows", ""), *((m.title, m.meaning) for m in metrics)]
    about = f"The best model on the {text(where)} rows. Few rows give wide intervals: read them before comparing."
    return section(f"By <bdi>{text(column)}</bdi>", about, table(heads, rows, label=f"Scores by {column}"))


def curves(networks: Sequence[Mapping[str, Any]], metric: Metric) -> str:
    figures = []
    for network in networks:
        losses = [(style, _points(network["epochs"], key)) for style, key in (("a", "train_loss"), ("b", "valid_loss"))]
        scores = [("a", _points(network["epochs"], "metric"))]
        name = network["name"]
        loss = charts.lines(losses, title=f"{name}: loss by epoch", across="epoch")
        if loss:
            keys = '<span class="key">training</span><span class="key b">validation</span>'
            figures.append(f"<figure><figcaption><bdi>{text(name)}</bdi>: loss {keys}</figcaption>{loss}</figure>")
        chart = charts.lines(scores, title=f"{name}: {metric.title} by epoch", across="epoch")
        if chart:
            head = f"<bdi>{text(name)}</bdi>: validation {text(lowered(metric.title))}"
            figures.append(f"<figure><figcaption>{head}</figcaption>{chart}</figure>")
    if not figures:
        return ""
    first, rest = figures[: 2 * _MOST_CURVES], figures[2 * _MOST_CURVES :]
    more = f'<details><summary>{len(rest)} more charts</summary><div class="grid">{"".join(rest)}</div></details>'
    about = "How each network learned. Training loss that falls while validation loss rises is learning by heart."
    return section("Learning curves", about, f'<div class="grid">{"".join(first)}</div>', more if rest else "")


def columns(entries: Sequence[Mapping[str, Any]]) -> str:
    if not entries:
        return ""
    heads = [(title, "") for title in ("Column", "Kind", "Modality", "Why")]
    heads += [("Missing", "share of the rows"), ("Bad cells", "cells that could not be used")]
    rows = []
    share = Metric(name="", title="", meaning="", percent=True)
    for e in entries:
        cells = [word(e["column"], head=True), word(e["kind"]), word(e["modality"]), word(e["reason"])]
        cells += [amount(e["missing"], shown(e["missing"], share)), amount(e["bad"], f"{e['bad']:,}")]
        rows.append(("", cells))
    about = "What each column was taken for, and why. Bad cells count as missing; bad_cells.csv lists them."
    return section("Columns", about, table(heads, rows, label="Columns"))


def metric_titles(kind: Of) -> str:
    rows = "".join(f"<dt>{text(m.title)}</dt><dd>{text(m.meaning)}</dd>" for m in metric_set(kind).metrics)
    listed = f"<details><summary>Show the metrics</summary><dl>{rows}</dl></details>"
    return section("Reading the numbers", "What each metric says, in plain words.", listed)


def config(toml: str) -> str:
    if not toml:
        return ""
    shown_text = f"<details><summary>Show the whole config</summary><pre>{text(toml)}</pre></details>"
    return section("Config", "Every setting of this run, defaults included.", shown_text)


def _value(entry: Mapping[str, Any], metric: Metric) -> float | None:
    value: float | None = entry["metrics"].get(metric.name, {}).get("value")
    return value


def _points(epochs: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(float(e["epoch"]), float(e[key])) for e in epochs if e.get(key) is not None]


def _bounds(ci95: Sequence[float] | None, metric: Metric) -> str:
    if ci95 is None:
        return ""
    low, high = shown(ci95[0], metric), shown(ci95[1], metric)
    low = low.removesuffix("\u00a0%")
    return f'<span class="ci">{low} – {high}</span>'


def _bar(value: float, longest: float) -> str:
    share = 0.0 if longest <= 0 else min(1.0, value / longest)
    return f'<span class="bar" aria-hidden="true"><i style="width:{100 * share:.1f}%"></i></span>'
