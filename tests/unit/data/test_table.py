"""Tables, and columns that become values when they are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience.core.errors import DataError
from consilience.data.table import BLOCK, LazyColumn, Table


def table(**more) -> Table:
    return Table(columns={"a": ["x", "y", "z"]}, name="t.csv", root=Path("."), **more)


def test_an_unknown_column_names_the_closest() -> None:
    with pytest.raises(DataError, match=r"t\.csv: unknown column 'aa'\. Did you mean 'a'\?"):
        table()["aa"]


def test_rows_keep_the_line_their_user_knows() -> None:
    assert [table(first_line=2).line(r) for r in range(3)] == [2, 3, 4]
    part = table(lines=[2, 5, 9]).take([2, 0])
    assert (list(part["a"]), [part.line(r) for r in range(2)]) == (["z", "x"], [9, 2])
    assert part.take([1]).line(0) == 2
    assert table(first_line=7).take([2]).line(0) == 9


def test_a_lazy_column_is_made_once_and_only_when_used() -> None:
    made = []

    def make(begin: int, end: int) -> list[int]:
        made.append((begin, end))
        return [10, 20, 30]

    lazy = Table(columns={"n": LazyColumn(3, make)}, name="t", root=Path(".")).take([2, 0])
    assert len(lazy) == 2
    assert not made
    assert list(lazy["n"]) == [30, 10]
    assert (lazy["n"][0], lazy["n"][-1]) == (30, 10)
    assert made == [(0, 3)]


def test_a_long_lazy_column_is_made_block_by_block() -> None:
    rows, made = 3 * BLOCK + 5, []

    def make(begin: int, end: int) -> list[int]:
        made.append((begin, end))
        return list(range(begin, end))

    column = LazyColumn(rows, make)
    assert list(column) == list(range(rows))
    assert made == [(0, BLOCK), (BLOCK, 2 * BLOCK), (2 * BLOCK, 3 * BLOCK), (3 * BLOCK, rows)]
    made.clear()
    scattered = [rows - 1, 0, BLOCK, 1, rows - 2, -1 + BLOCK, 0]
    assert column.pick(scattered) == scattered
    assert list(column.take(scattered).take([1, 0, 2])) == [0, rows - 1, BLOCK]
    assert made[:3] == [(0, BLOCK), (BLOCK, 2 * BLOCK), (3 * BLOCK, rows)]
    assert column[BLOCK - 1 : BLOCK + 1] == [BLOCK - 1, BLOCK]
    assert (column[-1], column[-rows]) == (rows - 1, 0)
    for outside in (rows, -rows - 1):
        with pytest.raises(IndexError, match="row"):
            column[outside]
