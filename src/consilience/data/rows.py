"""Rows that come one after the other, each with columns of its own, as columns. Knows no file format.

Rows are kept as bytes, in a temporary file when they are many (spool.py), so there may be more than memory holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from consilience.core.errors import DataError
from consilience.data.sources.memory import NotACell, plain
from consilience.data.spool import Spool, decode, encode
from consilience.data.table import HEAVY, LazyColumn


class Rows:
    """`add` rows, then take the `columns`, in the order in which they first came."""

    def __init__(self) -> None:
        self._spool = Spool(0, encode, decode)
        self._block: dict[str, list[Any]] = {}
        self._here = self._size = 0
        self.count = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Values are cells, or lists, which only count as cells where somebody asks for the column."""
        for name, value in row.items():
            if (cells := self._block.get(name)) is None:
                cells = self._block[name] = []
            cells += [None] * (self._here - len(cells))
            cells.append(value)
            self._size += len(value) if isinstance(value, str | bytes) else 8
        self._here += 1
        self.count += 1
        if self._here == self._spool.block:
            self._flush()
        elif self._size > HEAVY and self.count == self._here:
            self._spool.block = self._here  # still in the first block: from now on blocks have so few rows
            self._flush()

    def columns(self, place: Callable[[int], str]) -> dict[str, LazyColumn]:
        """`place(row)`: what a user calls the row, for messages."""
        if self._here:
            self._flush()
        pairs = zip(self._block, self._spool.columns(), strict=True)
        return {
            name: LazyColumn(len(cells), partial(_checked, cells, name, place), block=cells.block)
            for name, cells in pairs
        }

    def _flush(self) -> None:
        for cells in self._block.values():
            cells += [None] * (self._here - len(cells))
        self._spool.add(list(self._block.values()), rows=self._here)
        self._block = {name: [] for name in self._block}
        self._here = self._size = 0


def _checked(cells: LazyColumn, name: str, place: Callable[[int], str], begin: int, end: int) -> list[Any]:
    found = cells[begin:end]
    if not any(type(cell) is list for cell in found):
        return found
    made: list[Any] = []
    try:
        for cell in found:
            made.append(plain(cell) if type(cell) is list else cell)
    except NotACell as error:
        raise DataError(
            f"{place(begin + len(made))}: column {name!r} holds a {error}; a cell must be text, a number, true/false, "
            "a date, bytes or nothing. Unpack it into columns of its own, or ignore the column"
        ) from error
    return made
