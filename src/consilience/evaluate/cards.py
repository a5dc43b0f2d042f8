"""Rows of the data as cards: what was true, what was said, and the cells as they are to be seen, heard or read.

Knows small files by the kind their URL names; knows no modality. Everything that came from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consilience.evaluate.charts import text
from consilience.evaluate.sections import section


def errors(rows: Sequence[Mapping[str, Any]], where: str) -> str:
    """The rows that the model got most wrong, with their cells."""
    if not rows:
        return ""
    cards = []
    for row in rows:
        sure = (
            ""
            if row["confidence"] is None
            else f' <span class="soft">({100 * row["confidence"]:.0f}\u00a0% sure)</span>'
        )
        said = (
            f"<figcaption>Row {text(row['row'])}: <bdi>{text(row['true'])}</bdi> was taken for "
            f"<strong><bdi>{text(row['predicted'])}</bdi></strong>{sure}</figcaption>"
        )
        cards.append(f'<figure class="error">{said}{"".join(map(_cell, row["cells"]))}</figure>')
    about = f"Of the {text(where)} rows, those that the best model is most sure about and wrong on, or furthest off."
    return section("Worst errors", about, f'<div class="cards">{"".join(cards)}</div>')


_PLAYED = {
    "data:image/": '<img src="{data}" alt="{name}" loading="lazy">',
    "data:audio/": '<audio controls preload="none" src="{data}" aria-label="{name}"></audio>',
    "data:video/": '<video controls preload="none" src="{data}" aria-label="{name}"></video>',
}
"""How a page shows a small file, by the start of its URL."""


def _cell(cell: Mapping[str, str]) -> str:
    """One cell of a row: what is to be seen or heard, and its words."""
    name, data = text(cell["input"]), text(cell["data"])
    played = "".join(tag.format(data=data, name=name) for start, tag in _PLAYED.items() if data.startswith(start))
    said = f'<p class="words"><bdi>{text(cell["words"])}</bdi></p>' if cell["words"] else ""
    return f'<div class="cell"><span class="soft">{name}</span>{played}{said}</div>'
