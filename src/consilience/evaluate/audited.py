"""The audit as HTML: the section of a run's report, and a page of its own. Shows what docs/audit.md describes; computes
nothing. Everything that came from outside is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consilience.evaluate import Of, charts, template
from consilience.evaluate.base import Metric
from consilience.evaluate.charts import number, text
from consilience.evaluate.sections import lowered, measure, metric_titles, quantity, section, shown, warnings
from consilience.evaluate.tables import Cell, amount, table, word

WORDS = {
    "earns": "earns its keep",
    "does_not": "does not earn its keep",
    "harms": "harms",
    "unused": "not looked at",
    "unclear": "cannot be told",
}
"""What each verdict is called."""
_MOST_SUBSETS = 64


def audit(found: Mapping[str, Any] | None, kind: Of) -> str:
    """The section of a report; "" without an audit. `kind`: of the task."""
    if not found:
        return ""
    metric = measure(kind, found["metric"])
    on = {"test": "test rows", "validation": "validation rows"}.get(found["on"], f"rows of {found['on']}")
    about = (
        f"What each input does for {text(found['model'])}, asked on {found['rows']:,} {text(on)}. Losses are of "
        f"{text(lowered(metric.title))}, with paired 95 % intervals."
    )
    verdict = "".join(f"<li><bdi>{text(said)}</bdi></li>" for said in found["verdict"])
    parts = [
        f'<ul class="said">{verdict}</ul>',
        _inputs(found, metric),
        _shapley(found, metric),
        _baselines(found, metric),
        _subsets(found, metric),
    ]
    if found["skipped"]:
        left = "".join(f"<li><bdi>{text(said)}</bdi></li>" for said in found["skipped"])
        parts.append(f"<details><summary>What was left out</summary><ul>{left}</ul></details>")
    return section("Does each input earn its keep?", about, *parts)


def page(found: Mapping[str, Any], kind: Of, *, target: str, version: str, date: str) -> str:
    """A page of its own."""
    metric = measure(kind, found["metric"])
    lead = (
        f'<div class="verdict" role="region" aria-label="Verdict"><p class="lead"><strong><bdi>{text(found["model"])}'
        f"</bdi></strong>: {text(lowered(metric.title))} <strong>{shown(found['score']['value'], metric)}</strong> on "
        f"{found['rows']:,} rows ({text(found['on'])}).</p></div>"
    )
    return template.page(
        title=text(f"Audit: {target} · Consilience"),
        header=f'<h1>Audit: predicting <bdi>{text(target)}</bdi></h1><dl class="facts"><div><dt>Date</dt>'
        f"<dd>{text(date)}</dd></div><div><dt>Form</dt><dd>{text(found['form'])}</dd></div></dl>",
        body="\n".join((lead, warnings(found["findings"]), audit(found, kind), metric_titles(kind))),
        footer=f"Consilience {text(version)}. Intervals are 95 % bootstrap intervals; rows that share content are "
        "redrawn together. This page loads nothing from the network.",
    )


def _inputs(found: Mapping[str, Any], metric: Metric) -> str:
    heads = [
        ("Input", ""),
        ("Verdict", ""),
        ("Alone", "what it wins over the answer that looks at nothing, alone"),
        ("Permuted", "what is lost when every row has another row's"),
        ("Missing", "what is lost when it is missing on every row"),
        ("Shapley", "its fair share of what all inputs win together"),
        ("ms / row", "to load and to answer with it"),
        ("MB", "of its preprocessing in the bundle"),
    ]
    retrained = any(given["retrained"] for given in found["inputs"].values())
    if retrained:
        heads.insert(5, ("Left out", "what is lost when a model is trained without it"))
    rows = []
    for name, given in found["inputs"].items():
        cost = given["cost"] or {}
        cells = [word(name, head=True), word(WORDS[given["verdict"]])]
        keys = ["alone", "permuted", "missing", *(["retrained"] if retrained else []), "shapley"]
        cells += [_told(given[key], metric) for key in keys]
        ms = cost["load_ms"] + cost["answer_ms"] if cost else None
        cells += [amount(ms, number(ms, 3)), amount(cost.get("megabytes"), number(cost.get("megabytes"), 3))]
        rows.append(("", cells))
    return table(heads, rows, label="Each input")


def _told(told: Mapping[str, Any] | None, metric: Metric) -> Cell:
    """A difference with its interval below."""
    if told is None or told["value"] is None:
        return amount(None, "–")
    after = ""
    if told["ci95"] is not None:
        low, high = (quantity(bound, metric).removesuffix(" points") for bound in told["ci95"])
        after = f'<span class="ci">{low} to {high}</span>'
    return amount(told["value"], quantity(told["value"], metric), after=after)


def _shapley(found: Mapping[str, Any], metric: Metric) -> str:
    values = found["shapley"]["values"]
    if not values:
        return ""
    bars = [(name, told["value"], told["ci95"]) for name, told in values.items() if told["value"] is not None]
    chart = charts.intervals(
        bars, title=f"Shapley value of each input for {lowered(metric.title)}", percent=metric.percent
    )
    how = "exact" if found["shapley"]["exact"] else f"sampled from {found['shapley']['permutations']:,} orders"
    total = quantity(found["shapley"]["total"]["value"], metric)
    caption = f"Shapley values ({how}): together {total}, all inputs against none"
    return f'<figure class="narrow"><figcaption>{text(caption)}</figcaption>{chart}</figure>' if chart else ""


def _baselines(found: Mapping[str, Any], metric: Metric) -> str:
    heads = [("Simpler model", ""), ("Inputs", ""), ("How", ""), (metric.title, metric.meaning), ("The model wins", "")]
    rows = []
    for line in found["baselines"]:
        cells = [word(line["name"], head=True), word(", ".join(line["inputs"]) or "–"), word(line["how"])]
        rows.append(("", [*cells, amount(line["value"], shown(line["value"], metric)), _told(line["gain"], metric)]))
    return f"<h3>Beside simpler models</h3>{table(heads, rows, label='Beside simpler models')}" if rows else ""


def _subsets(found: Mapping[str, Any], metric: Metric) -> str:
    retrained = any(line["retrained"] for line in found["subsets"])
    heads = [("Inputs there", ""), ("The model, the others missing", ""), ("Lost", "")]
    if retrained:
        heads += [(f"{found['retrained_with']}, trained without the others", ""), ("Lost", "")]
    rows = []
    for line in found["subsets"][-_MOST_SUBSETS:]:
        cells = [word(", ".join(line["inputs"]) or "none", head=True)]
        for told in (line["masked"], line["retrained"])[: 1 + retrained]:
            cells.append(amount(told["value"] if told else None, shown(told["value"] if told else None, metric)))
            cells.append(_told(told["loss"] if told else None, metric))
        rows.append(("", cells))
    listed = table(heads, rows, label="Every subset of inputs")
    return f"<details><summary>Every subset of inputs</summary>{listed}</details>" if len(rows) > 1 else ""


def lines(found: Mapping[str, Any]) -> Sequence[str]:
    """The verdict, a sentence a line, for a terminal."""
    return [*found["verdict"], *(f"Left out: {said}." for said in found["skipped"])]
