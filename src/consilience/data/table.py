"""A table as the rest of the project sees it: named columns of raw cells. Media stay on disk, and so may the cells.

Raw cells are str, int, float, bool, bytes, datetime or None; a CSV cell is always str (an empty one None).
Knows no file format (sources/ does) and no modality.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import DataError, unknown

BLOCK = 8192
"""Rows that become Python values at once, where they are not large."""
HEAVY = 32_000_000
"""Bytes that become Python values at once, about: of a column of large values a block has fewer rows."""

Rows = Sequence[int] | np.ndarray
"""Row numbers from 0."""


class LazyColumn(Sequence[Any]):
    """A column that becomes Python values one block of rows at a time, when they are looked at.

    A table of any length therefore costs what its source costs, and one block; a column nobody uses costs nothing, and
    one that cannot be used (lists, records) is refused only by whoever uses it: `make` then raises the DataError.
    Going through it in order, or `pick`, makes each block once; jumping about makes them again and again.
    """

    def __init__(self, length: int, make: Callable[[int, int], list[Any]], *, block: int = BLOCK) -> None:
        """`make(begin, end)`: the cells of those rows; it is asked for whole blocks (of which the last is shorter)."""
        self._length = length
        self._make = make
        self.block = block
        self._last: tuple[int, list[Any]] = (-1, [])

    def _block(self, number: int) -> list[Any]:
        if self._last[0] != number:
            begin = number * self.block
            self._last = -1, []  # let go of one block before the next is made
            self._last = number, self._make(begin, min(begin + self.block, self._length))
        return self._last[1]

    def pick(self, rows: Rows) -> list[Any]:
        """The cells of these rows, in their order."""
        wanted = np.asarray(rows, np.int64)
        if 0 < self._length <= self.block:
            return list(map(self._block(0).__getitem__, wanted.tolist()))
        order = np.argsort(wanted, kind="stable")
        out: list[Any] = [None] * len(wanted)
        for place, row in zip(order.tolist(), wanted[order].tolist(), strict=True):
            out[place] = self[row]
        return out

    def take(self, rows: Rows) -> LazyColumn:
        return LazyColumn(len(rows), lambda begin, end: self.pick(rows[begin:end]), block=self.block)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            rows = range(*item.indices(self._length))
            return self._run(rows.start, rows.stop) if rows.step == 1 and rows else self.pick(rows)
        row = int(item) + (self._length if item < 0 else 0)
        if not 0 <= row < self._length:
            raise IndexError(f"row {item} of {self._length}")
        return self._block(row // self.block)[row % self.block]

    def _run(self, begin: int, end: int) -> list[Any]:
        """Neighbouring rows."""
        out: list[Any] = []
        for number in range(begin // self.block, -(-end // self.block)):
            cells, start = self._block(number), number * self.block
            if begin <= start and start + len(cells) <= end:
                if not out and start + len(cells) == end:
                    return cells
                out += cells
            else:
                out += cells[max(0, begin - start) : end - start]
        return out

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(map(self._block, range(-(-self._length // self.block))))


def block_of(size: float) -> int:
    """Rows of a block of values of this many bytes each."""
    return max(1, min(BLOCK, int(HEAVY // max(size, 1.0))))


def blocks(cells: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The cells in order, a block at a time (the last block may be shorter)."""
    rows = cells.block if isinstance(cells, LazyColumn) else BLOCK
    for begin in range(0, len(cells), rows):
        yield cells[begin : begin + rows]


def pick(cells: Sequence[Any], rows: Rows) -> list[Any]:
    """The cells of these rows, in their order."""
    return cells.pick(rows) if isinstance(cells, LazyColumn) else [cells[r] for r in rows]


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
    files: Sequence[str] = ()
    """The files of a table that comes from several, and ..."""
    file_of: np.ndarray | None = None
    """... [N] which of them each row is in."""
    delimiter: str = ""
    """What parts the cells of a CSV or TSV."""
    labels: tuple[str, ...] = ()
    """Columns that only name a row: nobody learns from them unless told to."""
    notes: tuple[str, ...] = ()
    """What the user should know of how the table was read: rows and files that were left out, and why."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, column: str) -> Sequence[Any]:
        if column not in self.columns:
            raise DataError(f"{self.name}: {unknown('column', column, self.columns)}")
        return self.columns[column]

    def line(self, row: int) -> int:
        """What a user calls row `row` (counted from 0): the line of the file it starts on, or its number from 1."""
        return self.first_line + row if self.lines is None else int(self.lines[row])

    def file(self, row: int) -> str:
        """The file that row `row` is in."""
        return self.name if self.file_of is None else self.files[int(self.file_of[row])]

    def take(self, rows: Rows) -> Table:
        """The chosen rows in the given order; each keeps the line number its user knows it by."""
        chosen: dict[str, Sequence[Any]] = {}
        for name, cells in self.columns.items():
            chosen[name] = cells.take(rows) if isinstance(cells, LazyColumn) else pick(cells, rows)
        file_of = None if self.file_of is None else self.file_of[np.asarray(rows, np.int64)]
        return replace(self, columns=chosen, lines=[self.line(r) for r in rows], file_of=file_of)

    def without(self, columns: Collection[str]) -> Table:
        """The table less some columns."""
        return replace(self, columns={name: cells for name, cells in self.columns.items() if name not in columns})

    def rows(self) -> Iterator[dict[str, Any]]:
        for row in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, row, strict=True))
