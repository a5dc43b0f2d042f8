"""The drawing helpers: numbers as people read them, round ticks, inert text."""

from __future__ import annotations

import html
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.evaluate.charts import histogram, lines, number, text, ticks


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (0.0, "0"),
        (0.97126, "0.9713"),
        (12.0, "12"),
        (1234567.4, "1,234,567"),
        (-3.14159, "−3.142"),
        (1e-9, "1.000e−09"),
        (0.00012344, "0.0001234"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, written: str) -> None:
    assert number(value) == written


@given(st.floats(-1e6, 1e6), st.floats(1e-2, 1e9))
def test_ticks_are_few_even_and_inside(low: float, width: float) -> None:
    high = low + width
    marks = ticks(low, high)
    assert len(marks) <= 7
    slack = (high - low) * 1e-6
    assert all(low - slack <= m <= high + slack for m in marks)
    steps = {round((b - a) / (high - low), 5) for a, b in pairwise(marks)}
    assert len(steps) <= 1


@given(st.text(max_size=40))
def test_text_is_inert_and_reads_the_same(words: str) -> None:
    safe = text(words)
    assert not set(safe) & set("<>\"'")
    kept = "".join(c for c in words if c.isprintable() and not 0xD800 <= ord(c) < 0xE000)
    assert "".join(c for c in html.unescape(safe) if c.isprintable() and c not in "\ufffd?") == "".join(
        c for c in kept if c not in "\ufffd?"
    )
    safe.encode("utf-8")


def test_charts_of_almost_nothing_do_not_fail() -> None:
    assert lines([("a", []), ("b", [(1.0, float("nan"))])], title="t", across="x") == ""
    assert "<circle" in lines([("a", [(1.0, 2.0)])], title="t", across="x")
    assert "polyline" in lines([("a", [(1.0, 0.5), (2.0, 0.5)])], title="t", across="x")
    assert histogram([0.0, 1.0], [0], title="t", across="x").count("<rect") == 1


def test_titles_of_charts_are_inert() -> None:
    drawn = lines([("a", [(1.0, 2.0), (2.0, 1.0)])], title='"><script>', across="<b>")
    assert "<script>" not in drawn
    assert "<b>" not in drawn
