"""Targets: which cells say nothing. Among numbers the words that data frames write for that; labels stay labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from consilience.data.table import LazyColumn, Table
from consilience.data.target import answered, cells_of, emptied, holds_numbers


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "NA", "2.5", "", None], True),
        (["1", " NaN ", "2"], True),
        ([1, "null", 2.5, float("nan")], True),
        (["1", "2"], True),
        (["1,5", *(f"{i},25" for i in range(30)), "NA"], True),
        (["$1,200", "$3.50", "NA"], True),
        (["12.5 元", "￥50", "null"], True),
        (["3 万", "1.2亿"], True),
        ([*map(str, range(30)), "NA", "error"], True),  # named with its row where it is read
        (["1", "2", "3", "error"], False),
        (["1,2", "2,3", "NA"], False),  # may be two labels
        (["good", "NA", "bad", ""], False),  # may be the label of North America
        (["1", "NA", "bad"], False),
        (["NA", "NA", ""], False),  # nothing here says that numbers are meant
        ([True, "NA", False], False),
        ([["a"], "NA"], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_words_for_nothing_are_no_labels_among_numbers(cells, expected, lazy) -> None:
    column = LazyColumn(len(cells), lambda begin, end: cells[begin:end], block=2) if lazy else cells
    assert holds_numbers(column) is expected


def test_rows_and_cells_of_several_targets() -> None:
    columns = {"a": ["1", "NA", "3", " NA"], "b": ["x", "NA", None, ""]}
    table = emptied(Table(columns=columns, name="t", root=Path()), ["a", "z"])
    assert list(table["a"]) == ["1", None, "3", None]
    assert answered(table, ("a",)).tolist() == [True, False, True, False]
    assert answered(table, ("a", "b")).tolist() == [True, True, True, False]
    assert cells_of(table, ("a", "b"), np.array([1, 2])) == [(None, "NA"), ("3", None)]
