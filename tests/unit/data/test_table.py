"""Tables, and columns that become values when they are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience.core.errors import DataError
from consilience.data.table import LazyColumn, Table


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

    def make() -> list[int]:
        made.append(1)
        return [10, 20, 30]

    lazy = Table(columns={"n": LazyColumn(3, make)}, name="t", root=Path(".")).take([2, 0])
    assert len(lazy) == 2
    assert not made
    assert list(lazy["n"]) == [30, 10]
    assert (lazy["n"][0], lazy["n"][-1]) == (30, 10)
    assert made == [1]
