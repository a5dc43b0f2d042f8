"""Targets: which cells say nothing. Among numbers the words that data frames write for that; labels stay labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from consilience.data.table import LazyColumn, Table
from consilience.data.target import answered, cells_of, gaps


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "NA", "2.5", "", None], [0, 1, 0, 1, 1]),
        (["1", " NaN ", "2"], [0, 1, 0]),
        ([1, "null", 2.5, float("nan")], [0, 1, 0, 1]),
        (["good", "NA", "bad", ""], [0, 0, 0, 1]),  # may be the label of North America
        (["1", "NA", "bad"], [0, 0, 0]),
        (["NA", "NA", ""], [0, 0, 1]),  # nothing here says that numbers are meant
        ([True, "NA", False], [0, 0, 0]),
        ([["a"], "NA"], [0, 0]),
        (["1", "2"], [0, 0]),
        ([], []),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_words_for_nothing_count_among_numbers_only(cells, expected, lazy) -> None:
    column = LazyColumn(len(cells), lambda begin, end: cells[begin:end], block=2) if lazy else cells
    found = gaps(column)
    assert found.dtype == bool
    assert found.astype(int).tolist() == expected


def test_rows_and_cells_of_several_targets() -> None:
    columns = {"a": ["1", "NA", "3", "NA"], "b": ["x", "NA", None, ""]}
    table = Table(columns=columns, name="t", root=Path())
    assert answered(table, ("a",)).tolist() == [True, False, True, False]
    assert answered(table, ("a", "b")).tolist() == [True, True, True, False]
    assert cells_of(table, ("a", "b"), np.array([1, 2])) == [(None, "NA"), ("3", None)]
