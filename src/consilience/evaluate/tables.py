"""HTML tables that can be sorted by a click and read aloud. Knows cells; knows nothing of what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consilience.evaluate.charts import text


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: HTML, what it is sorted by, and whether it is a number or heads its row."""

    html: str
    value: Any = None
    number: bool = False
    head: bool = False


def word(value: Any, *, head: bool = False, after: str = "") -> Cell:
    return Cell(html=f"<bdi>{text(value)}</bdi>{after}", value=value, head=head)


def amount(value: float | None, written: str, *, after: str = "") -> Cell:
    return Cell(html=written + after, value="" if value is None else value, number=True)


def table(
    heads: Sequence[tuple[str, str]], rows: Sequence[tuple[str, Sequence[Cell]]], *, label: str, kind: str = ""
) -> str:
    """heads: (title, meaning); rows: (CSS class, cells). Every column can be sorted by a click on its head."""
    numeric = [bool(rows) and rows[0][1][c].number for c in range(len(heads))]
    top = "".join(
        f'<th scope="col"{css("n" if n else "")}{_title(meaning)}><button type="button">{text(title)}</button></th>'
        for n, (title, meaning) in zip(numeric, heads, strict=True)
    )
    body = "".join(f"<tr{css(style)}>{''.join(map(_cell, cells))}</tr>" for style, cells in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}"><table{css(kind)}>'
        f'<caption class="spoken">{text(label)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def css(names: str) -> str:
    """A class attribute, or nothing."""
    return f' class="{names}"' if names else ""


def _cell(cell: Cell) -> str:
    sort = "" if cell.value is None else f' data-v="{text(cell.value)}"'
    if cell.head:
        return f'<th scope="row"{sort}>{cell.html}</th>'
    return f"<td{css('n' if cell.number else '')}{sort}>{cell.html}</td>"


def _title(words: str) -> str:
    return f' title="{text(words)}"' if words else ""
