"""What is seen of a column: the same whatever the order of its rows, and quickly."""

from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path

import pytest

from consilience.data.sample import count, examples, sample
from consilience.data.table import LazyColumn, Table


def table(**columns) -> Table:
    return Table(columns=columns, name="t.csv", root=Path("."))


def test_a_sample_depends_on_the_cells_and_not_on_their_order() -> None:
    cells = [f"cell {i % 1700}" for i in range(5000)] + [None, " "] * 50
    first = sample(table(c=cells), "c")
    random.Random(1).shuffle(cells)
    second = sample(table(c=cells), "c")
    assert first == second
    assert (len(first.cells), first.rows) == (1000, 5100)
    assert first.distinct == len(set(first.cells))


def test_a_sample_has_frequent_cells_frequently() -> None:
    cells = ["often"] * 9000 + [f"rare {i}" for i in range(1000)]
    share = list(sample(table(c=cells), "c").cells).count("often") / 1000
    assert 0.85 < share < 0.95


def test_a_sample_of_a_long_column_covers_all_of_it() -> None:
    cells = list(range(250_000))
    chosen = sample(table(c=cells), "c").cells
    quarters = [sum(a <= c < a + 62_500 for c in chosen) for a in range(0, 250_000, 62_500)]
    assert min(quarters) > 180


@pytest.mark.parametrize(
    "cells",
    [
        [f"{n / 7:.3f}" for n in range(300)],
        [n % 17 for n in range(300)],
        ["1", "NA", "2.5", "-"] * 70,
        ["red", "blue", "a longer text"] * 50,
        [1, "1", 1.0, True, None] * 40,
        [datetime(2024, 1, 1 + n % 28) for n in range(100)],
    ],
    ids=["texts of numbers", "numbers", "gaps", "words", "mixed", "dates"],
)
def test_another_order_of_rows_is_the_same_sample(cells) -> None:
    first = sample(table(c=list(cells)), "c")
    for seed in range(3):
        mixed = list(cells)
        random.Random(seed).shuffle(mixed)
        again = sample(table(c=mixed), "c")
        assert [(type(c), c) for c in again.cells] == [(type(c), c) for c in first.cells]
    assert sorted(map(repr, first.cells)) == sorted(repr(c) for c in cells if c is not None)


def test_the_sample_of_numbers_is_in_no_order_of_its_own() -> None:
    cells = list(sample(table(c=[str(n) for n in range(200)]), "c").cells)
    assert cells != sorted(cells)
    assert examples(cells) != ("0", "1", "10")


@pytest.mark.parametrize("lazy", [False, True], ids=["list", "lazy"])
def test_what_is_counted(lazy: bool) -> None:
    def counted(cells, *markers):
        return count(LazyColumn(len(cells), lambda a, b: cells[a:b], block=3) if lazy else cells, *markers)

    assert counted(["a", "b", " ", None, "a"]) == (3, 2)
    assert counted(["1", "NA", " NA ", "2"], ("NA",)) == (2, 2)
    assert counted([1, True, 1.0, "1", None, float("nan")]) == (4, 4)
    assert counted([-1, -2]) == (2, 2)
    assert counted([]) == (0, 0)
