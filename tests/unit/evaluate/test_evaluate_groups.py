"""Scores broken down by a column: which rows go where, and that each group is scored on its own rows."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.evaluate import by_group, point
from consilience.evaluate.groups import split


def rows(groups: dict[str, np.ndarray]) -> dict[str, list[int]]:
    return {label: chosen.tolist() for label, chosen in groups.items()}


def test_values_go_by_their_rows_and_missing_is_last() -> None:
    cells = ["a", None, "b", "b", "  ", float("nan")]
    assert list(rows(split(cells)).items()) == [("b", [2, 3]), ("a", [0]), ("(missing)", [1, 4, 5])]


def test_few_numbers_keep_their_values_in_order_even_as_text() -> None:
    assert rows(split(["10", "9", "10.0", "-1.5"])) == {"-1.5": [3], "9": [1], "10": [0, 2]}
    assert list(split([10, 9.0, 9])) == ["9", "10"]


def test_many_numbers_fall_into_quarters() -> None:
    groups = split([str(v) for v in range(100)] + [None])
    assert list(groups) == ["≤ 24.75", "24.75 to 49.5", "49.5 to 74.25", "> 74.25", "(missing)"]
    assert [len(g) for g in groups.values()] == [25, 25, 25, 25, 1]


def test_quarters_that_coincide_are_joined() -> None:
    groups = split([0] * 90 + list(range(1, 40)), most=20)
    assert sum(map(len, groups.values())) == 129
    assert groups["≤ 0"].tolist() == list(range(90))


def test_rare_values_are_joined_beyond_the_limit() -> None:
    cells = ["x"] * 3 + [f"v{n}" for n in range(30)] + ["(other)"] * 2
    groups = split(cells, most=5)
    # A cell that says "(other)" shares the name, so it joins the rest instead of hiding it.
    assert {label: len(g) for label, g in groups.items()} == {"x": 3, "v0": 1, "v1": 1, "(other)": 30}
    assert list(split([f"v{n}" for n in range(5)], most=5)) == ["v0", "v1", "v2", "v3", "v4"]


def test_true_and_false_and_dates_are_values_not_numbers() -> None:
    assert list(split([True, False, True])) == ["True", "False"]
    assert list(split([datetime.date(2026, 1, 2)])) == ["2026-01-02"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text(max_size=3), st.integers(-30, 30), st.floats(), st.booleans()), max_size=60),
    st.integers(2, 20),
)
def test_every_row_is_in_exactly_one_group(cells: list, most: int) -> None:
    groups = split(cells, most=most)
    together = np.concatenate(list(groups.values())) if groups else np.zeros(0, int)
    assert sorted(together.tolist()) == list(range(len(cells)))
    assert all(len(g) for g in groups.values())
    assert len(groups) <= max(most, 4) + 1


def test_each_group_is_scored_on_its_own_rows() -> None:
    rng = np.random.default_rng(0)
    answers, target = rng.dirichlet(np.ones(3), 120), rng.integers(0, 3, 120)
    cells = ["few"] * 6 + ["many"] * 114
    got = by_group("classification", answers, target, cells, names="abc", groups=np.arange(120))
    assert {label: g["rows"] for label, g in got.items()} == {"many": 114, "few": 6}
    alone = point("classification", answers[:6], target[:6])
    assert {m: e["value"] for m, e in got["few"]["metrics"].items()} == pytest.approx(alone)
    low, high = got["few"]["metrics"]["accuracy"]["ci95"]
    low_many, high_many = got["many"]["metrics"]["accuracy"]["ci95"]
    assert high - low > high_many - low_many
