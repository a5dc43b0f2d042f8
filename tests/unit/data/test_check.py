"""What is wrong with the data, in words."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from consilience.data.cells import Cells, Dataset, Problem
from consilience.data.check import overlap, summarize, write_bad_cells
from consilience.data.table import Table


def test_bad_cells_are_listed_by_the_line_their_user_knows(tmp_path: Path) -> None:
    problems = [
        Problem(row=2, column="photo", reason="no such file"),
        Problem(row=0, column="price, net", reason='"x"\nis not\0 a number', whole=False),
    ]
    table = Table(columns={"photo": [1, 2, 3]}, name="t.csv", root=Path("."), lines=[2, 3, 9])
    write_bad_cells(problems, tmp_path / "bad_cells.csv", table=table)
    with (tmp_path / "bad_cells.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["row", "column", "reason"],
        ["2", "price, net", '"x" is not a number'],
        ["9", "photo", "no such file"],
    ]
    write_bad_cells(problems, tmp_path / "bad_cells.csv")
    assert (tmp_path / "bad_cells.csv").read_text().splitlines()[-1] == "3,photo,no such file"
    write_bad_cells([], tmp_path / "bad_cells.csv")
    assert (tmp_path / "bad_cells.csv").read_text() == "row,column,reason\n"


def test_a_summary_counts_rows_by_reason() -> None:
    bad = [Problem(row=r, column="photo", reason="truncated") for r in range(3)]
    bad += [Problem(row=r, column="photo", reason=f"{r}00,000 bytes; the limit is 5") for r in range(3, 5)]
    photo = Cells(
        values=["x", None, None],  # a good one, the missing one, the bad one
        index=np.array([2, 2, 2, 2, 2, 0, 1, 1]),
        groups=np.full(8, -1),
        problems=tuple(bad),
    )
    odd = (Problem(row=1, column="price", reason="'n/a' is not a number", whole=False),)
    shop = Cells(values=[(1, 2)], index=np.zeros(8, np.int64), groups=np.full(8, -1), problems=odd)
    assert summarize(Dataset(inputs={"photo": photo, "table": shop}, rows=8)) == [
        "photo: 5 of 6 cells could not be used: 3 truncated, 2 … bytes; the limit is …",
        "table, price: 1 of 8 cells had a part that was taken as missing: 1 'n/a' is not a number",
    ]


def test_nothing_wrong_needs_no_words() -> None:
    fine = Cells(values=["x"], index=np.zeros(4, np.int64), groups=np.full(4, -1))
    assert summarize(Dataset(inputs={"photo": fine}, rows=4)) == []


def test_contents_on_both_sides_are_a_leak() -> None:
    train = {"photo": np.array([1, 2, 2, -1]), "clip": np.array([7, -1, -1, -1])}
    test = {"photo": np.array([2, 2, 9, -1, 1]), "clip": np.array([-1, 8, 8, 8, 8]), "other": np.array([1])}
    assert overlap(train, test) == [
        "photo: 2 contents occur on both sides; 3 of 5 test rows (60%) hold one that was seen in training"
    ]
    assert overlap(train, {"photo": np.array([], np.int64)}) == []
