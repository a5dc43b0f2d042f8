"""A page of its own about a model's scores on one table. Shows what it is given; everything from outside is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consilience.evaluate import cards, sections, template
from consilience.evaluate.charts import text
from consilience.evaluate.report import answers_shown
from consilience.evaluate.sections import lowered, measure, shown
from consilience.evaluate.tables import amount, table, word


def page(
    *,
    name: str,
    target: str,
    scored: Any,
    primary: str,
    metrics: Mapping[str, Any],
    details: Mapping[str, Any],
    rows: int,
    data: str,
    groups: Mapping[str, Mapping[str, Any]],
    errors: Sequence[Mapping[str, Any]],
    version: str,
    date: str,
) -> str:
    """The page as a string. `scored`: the task; `groups`: by column, what `by_group` gives."""
    first = measure(scored, primary)
    found = metrics[primary]
    said = f"{text(lowered(first.title))} <strong>{shown(found['value'], first)}</strong>"
    lead = (
        '<div class="verdict" role="region" aria-label="Verdict"><p class="lead">'
        f"<strong><bdi>{text(name)}</bdi></strong>: {said} on {rows:,} rows of <bdi>{text(data)}</bdi>.</p></div>"
    )
    lines = []
    for key, told in metrics.items():
        metric = measure(scored, key)
        low, high = told["ci95"] or (None, None)
        cells = [word(metric.title, head=True), amount(told["value"], shown(told["value"], metric))]
        cells += [amount(bound, shown(bound, metric)) for bound in (low, high)]
        lines.append(("", [*cells, word(metric.meaning)]))
    heads = [(title, "") for title in ("Metric", "Value", "From", "To", "What it says")]
    board = sections.section("Scores", "With 95 % intervals.", table(heads, lines, label="Scores"))
    body = [
        lead,
        board,
        cards.errors(errors, "given"),
        *answers_shown(details, "given"),
        *(sections.per_group(column, of, scored, primary, "given") for column, of in groups.items()),
    ]
    held = f"This page shows {len(errors)} rows of the data." if errors else "This page holds no row of the data."
    facts = "".join(f"<div><dt>{k}</dt><dd>{text(v)}</dd></div>" for k, v in (("Data", data), ("Date", date)))
    return template.page(
        title=text(f"{target} on {data} · Consilience"),
        header=f'<h1>Predicting <bdi>{text(target)}</bdi></h1><dl class="facts">{facts}</dl>',
        body="\n".join(part for part in body if part),
        footer=f"Consilience {text(version)}. Intervals are 95 % bootstrap intervals; rows that share content are "
        f"redrawn together. {held} It loads nothing from the network.",
    )
