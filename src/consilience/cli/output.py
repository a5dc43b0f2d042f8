"""What commands print: one JSON object on standard output, or tables for people; progress goes to standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from consilience.core.progress import Advance, Reporter

_LONG = 500
"""Rows from which on a table is set plainly."""


def print_json(value: Any) -> None:
    """One JSON object; what JSON cannot say (NaN, infinity) is null."""
    print(json.dumps(_finite(value), ensure_ascii=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """A table for people, on standard output; `right`: columns set flush right. A very long one has a line a row,
    however wide: laying it out for a terminal would take seconds."""
    if len(rows) > _LONG:
        widths = [max(map(len, cells)) for cells in zip(head, *rows, strict=True)]
        for row in ([title], head, *rows):
            cells = (
                c.rjust(w) if place in right else c.ljust(w)
                for place, (c, w) in enumerate(zip(row, widths, strict=False))
            )
            print("  ".join(cells).rstrip())
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(head):
        table.add_column(name, justify="right" if place in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: brackets in a user's words are no markup
    console.print(table)


def show_metric(metric: dict[str, Any]) -> str:
    """0.974 (0.961–0.983)"""
    value, interval = metric["value"], metric.get("ci95")
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else "")


class Terminal(Reporter):
    """Lines and progress bars on standard error; no bars when that is not a terminal."""

    def say(self, text: str) -> None:
        try:
            print(text, file=sys.stderr, flush=True)
        except BrokenPipeError:
            raise
        except OSError:  # a log on a full disk is no reason to lose hours of training
            return

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        if not sys.stderr.isatty() or total <= 0:
            yield lambda done, note: None
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Any) -> Text:
                return Text(f"{task.speed:,.0f}/s" if task.speed else "")

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(label, total=total, note="")
            yield lambda done, note: progress.update(task, completed=done, note=note)
