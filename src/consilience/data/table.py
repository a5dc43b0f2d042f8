"""A table in memory as the rest of the project sees it: named columns of raw cells. Media stay on disk.

Raw cells are str, int, float, bool, bytes, datetime or None; a CSV cell is always str (an empty one None).
Knows no file format (sources/ does) and no modality.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError, unknown


class LazyColumn(Sequence[Any]):
    """A column that becomes Python values when it is first looked at.

    A column nobody uses therefore costs nothing, and one that cannot be used (lists, records) is refused only by
    whoever uses it: `make` then raises the DataError.
    """

    def __init__(self, length: int, make: Callable[[], list[Any]]) -> None:
        self._length = length
        self._make = make
        self._cells: list[Any] | None = None

    def _made(self) -> list[Any]:
        if self._cells is None:
            self._cells = self._make()
        return self._cells

    def take(self, rows: Sequence[int]) -> LazyColumn:
        return LazyColumn(len(rows), lambda: _pick(self._made(), rows))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, item: Any) -> Any:
        return self._made()[item]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._made())


def _pick(cells: Sequence[Any], rows: Sequence[int]) -> list[Any]:
    return [cells[r] for r in rows]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of equal length by name, where the table came from, and where its relative paths start."""

    columns: Mapping[str, Sequence[Any]]
    name: str
    """For messages: the file, or "DataFrame"."""
    root: Path
    first_line: int = 1
    """What a user calls the first row (2 in a CSV with a header)."""
    lines: Sequence[int] | None = None
    """What a user calls each row, where that is not simply first_line, first_line + 1, ... (a CSV with quoted line
    breaks or blank lines; rows taken from a larger table)."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, column: str) -> Sequence[Any]:
        if column not in self.columns:
            raise DataError(f"{self.name}: {unknown('column', column, self.columns)}")
        return self.columns[column]

    def line(self, row: int) -> int:
        """What a user calls row `row` (counted from 0): the line of the file it starts on, or its number from 1."""
        return self.first_line + row if self.lines is None else int(self.lines[row])

    def take(self, rows: Sequence[int]) -> Table:
        """The chosen rows in the given order; each keeps the line number its user knows it by."""
        chosen: dict[str, Sequence[Any]] = {}
        for name, cells in self.columns.items():
            chosen[name] = cells.take(rows) if isinstance(cells, LazyColumn) else _pick(cells, rows)
        lines = [self.line(r) for r in rows]
        return Table(columns=chosen, name=self.name, root=self.root, first_line=self.first_line, lines=lines)

    def rows(self) -> Iterator[dict[str, Any]]:
        for r in range(len(self)):
            yield {name: cells[r] for name, cells in self.columns.items()}
