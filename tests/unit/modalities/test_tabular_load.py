"""Reading numbers, dates, categories and rows: what is understood, refused and missing, and nothing crashes."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.core.errors import BadCell
from consilience.core.limits import Limits
from consilience.modalities.tabular import Tabular
from consilience.modalities.tabular.load import Unusable, category_parser, date_parser, number_parser

TABULAR = Tabular()
Config = TABULAR.Config
MARKERS = Config().missing_markers
number, category, day = number_parser(MARKERS), category_parser(MARKERS), date_parser(MARKERS)
MIXED = Config(columns={"price": "number", "colour": "category", "sold": "date"})


def load(cell, config):
    return TABULAR.load(cell, config, Path("."), Limits())


def days(*moment):
    return (datetime(*moment) - datetime(1970, 1, 1)).total_seconds() / 86400


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (3, 3.0),
        (3.5, 3.5),
        (True, 1.0),
        (np.int64(7), 7.0),
        (np.float32(0.5), 0.5),
        (Decimal("1.25"), 1.25),
        (" 42 ", 42.0),
        ("1e-3", 1e-3),
        ("-0.5", -0.5),
        ("1,234.5", 1234.5),
        ("12,345,678", 12345678.0),
        ("12%", 0.12),
        ("１２．５", 12.5),
        ("１２％", 0.12),
        ("−3", -3.0),
        ("\xa042", 42.0),
    ],
)
def test_numbers_are_read(cell, expected):
    assert number(cell) == expected
    assert type(number(cell)) is float


@pytest.mark.parametrize(
    "cell", [None, "", "  ", "NA", "N/A", "nan", "null", "None", " - ", math.nan, pd.NaT, Decimal("NaN")]
)
def test_missing_numbers_are_missing_without_a_remark(cell):
    assert number(cell) is None


@pytest.mark.parametrize(
    "cell",
    ["abc", "1_000", "1,23", "12,34.5", "$3.50", "1.2.3", "12 %%", "--1", b"1", date(2020, 1, 1), [1], "1 2", "nan%"],
)
def test_what_is_not_a_number_is_refused(cell):
    with pytest.raises(Unusable, match="is not a number"):
        number(cell)


@pytest.mark.parametrize("cell", ["inf", "-inf", math.inf, "1e999", 10**400, "9" * 400])
def test_infinity_is_not_a_usable_number(cell):
    with pytest.raises(Unusable, match="infinite"):
        number(cell)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_being_written(value):
    assert number(repr(value)) == number(value) == value
    assert number(f" {value!r}\n") == value


@settings(deadline=None)
@given(st.integers(-(10**12), 10**12))
def test_every_whole_number_survives_thousands_separators(value):
    assert number(f"{value:,}") == value


ANYTHING = st.one_of(
    st.text(), st.binary(), st.floats(), st.integers(), st.booleans(), st.datetimes(), st.dates(), st.none(),
    st.from_regex(r"[0-9/.\-: TZ+]{1,20}"), st.from_regex(r"[a-zA-Z]{3,9}\.? [0-9]{1,2},? [0-9]{4}"),
)  # fmt: skip


@settings(deadline=None)
@given(ANYTHING)
def test_parsers_answer_or_refuse_and_never_crash(cell):
    for parse, kind in ((number, float), (category, str), (day, float)):
        try:
            value = parse(cell)
        except Unusable:
            continue
        assert value is None or type(value) is kind or (kind is float and type(value) is int and abs(value) >= 2**53)
        assert kind is str or value is None or math.isfinite(value)


def test_markers_of_the_config_replace_the_default_ones():
    parse = number_parser(("-999", "unknown"))
    assert parse(-999) is parse("-999.0") is parse("unknown") is None
    assert parse(-998) == -998
    with pytest.raises(Unusable):
        parse("NA")
    assert category_parser(())("NA") == "NA", "Namibia"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1998-06-12", days(1998, 6, 12)),
        ("1998/6/2", days(1998, 6, 2)),
        ("1998.06.12", days(1998, 6, 12)),
        ("12.06.1998", days(1998, 6, 12)),
        ("12. 6. 1998", days(1998, 6, 12)),
        ("Jun 12 1998", days(1998, 6, 12)),
        ("June 12th, 1998", days(1998, 6, 12)),
        ("12 Jun 1998", days(1998, 6, 12)),
        ("12-Jun-1998", days(1998, 6, 12)),
        ("Fri, 12 Jun 1998 18:30:00 GMT", days(1998, 6, 12, 18, 30)),
        ("Sept. 1, 2001", days(2001, 9, 1)),
        ("1998-06-12T18:30:00", days(1998, 6, 12, 18, 30)),
        ("1998-06-12 18:30", days(1998, 6, 12, 18, 30)),
        ("1998/06/12 6:30 pm", days(1998, 6, 12, 18, 30)),
        ("12.06.1998 00:15", days(1998, 6, 12, 0, 15)),
        ("Jun 12 1998 12:00 AM", days(1998, 6, 12)),
        ("1998-06-12T18:30:00Z", days(1998, 6, 12, 18, 30)),
        ("1998-06-12T18:30:00+02:00", days(1998, 6, 12, 16, 30)),
        ("1998/06/12 18:30 -0230", days(1998, 6, 12, 21, 0)),
        ("19980612", days(1998, 6, 12)),
        (19980612, days(1998, 6, 12)),
        ("1998-06", days(1998, 6, 1)),
        (1998, days(1998, 1, 1)),
        ("１９９８－０６－１２", days(1998, 6, 12)),
        (date(1998, 6, 12), days(1998, 6, 12)),
        (datetime(1998, 6, 12, 18), days(1998, 6, 12, 18)),
        (datetime(1998, 6, 12, 18, tzinfo=timezone(timedelta(hours=-3))), days(1998, 6, 12, 21)),
        (pd.Timestamp("1998-06-12 06:00"), days(1998, 6, 12, 6)),
        (np.datetime64("1998-06-12"), days(1998, 6, 12)),
        (np.datetime64("1998-06-12T06:00:00.000000000"), days(1998, 6, 12, 6)),
    ],
)
def test_dates_are_read(cell, expected):
    assert day(cell) == expected


@pytest.mark.parametrize("cell", [None, "", "NA", math.nan, pd.NaT, np.datetime64("NaT")])
def test_missing_dates_are_missing_without_a_remark(cell):
    assert day(cell) is None


@pytest.mark.parametrize(
    "cell",
    ["soon", "1998-02-30", "31.06.1998", "01/02/2020", "Foo 12 1998", "Jun 12 98", "12.06.1998 25:00",
     "Jun 12 1998 13:00 PM", 902700000, 3.5, True, b"1998-06-12", "x" * 10_000, [1998]],
)  # fmt: skip
def test_what_is_not_a_date_is_refused(cell):
    with pytest.raises(Unusable, match="is not a date"):
        day(cell)


@settings(deadline=None)
@given(st.datetimes())
def test_every_moment_survives_being_written(moment):
    value = day(moment)
    assert value == day(moment.isoformat()) == day(moment.isoformat(sep=" "))
    assert abs(value * 86400 - (moment - datetime(1970, 1, 1)).total_seconds()) < 1e-4
    assert day(moment.date()) == math.floor(value) == day(moment.strftime("%B ") + f"{moment.day}, {moment.year:04}")
    assert day(f"{moment.day:02}.{moment.month:02}.{moment.year:04}") == math.floor(value)


@settings(deadline=None)
@given(st.datetimes(), st.integers(-23 * 60, 23 * 60))
def test_an_offset_brings_a_moment_to_utc(moment, minutes):
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    for text in (moment.isoformat(), f"{moment.year:04}/{moment.month}/{moment.day} {moment:%H:%M:%S.%f}"):
        value = day(f"{text}{sign}{size // 60:02}:{size % 60:02}")
        assert value == pytest.approx(day(moment) - minutes / 1440, abs=1e-8)


@pytest.mark.parametrize(
    ("cells", "label"),
    [
        ([" red ", "red"], "red"),
        ([3, 3.0, "3", "3.0", np.int64(3)], "3"),
        ([True, "True", "TRUE", np.bool_(True)], "true"),
        (["Ｔｏｋｙｏ", "Tokyo"], "Tokyo"),
        (["caf\u00e9", "cafe\u0301"], "caf\u00e9"),
    ],
)
def test_labels_do_not_depend_on_the_program_that_wrote_them(cells, label):
    assert [category(cell) for cell in cells] == [label] * len(cells)


def test_labels_keep_what_was_meant():
    assert category("Red") != category("red")
    assert category("1.10") == "1.10"
    assert category(2.5) == "2.5"
    for cell in (b"red", "x" * 2000, 10**5000):
        with pytest.raises(Unusable):
            category(cell)


def test_a_bad_part_is_missing_with_a_remark_and_the_rest_is_kept():
    value, remarks = load(("abc" * 30, "red", "1970-01-03"), MIXED)
    assert value == (None, "red", 2.0)
    assert remarks == [f"price: {('abc' * 30)[:30]!r} is not a number"]


def test_a_row_is_bad_only_when_something_failed_and_nothing_is_left():
    assert load(("NA", "", None), MIXED) == (None, [])
    with pytest.raises(BadCell) as caught:
        load(("secret", "NA", None), MIXED)
    assert "price is not a number" in caught.value.reason
    assert "secret" not in caught.value.reason


def test_remarks_can_show_any_cell():
    for cell in (b"1" * 1000, 10**5000, [1] * 1000):
        _, remarks = load((cell, "red", None), MIXED)
        assert len(remarks) == 1
        assert len(remarks[0]) < 80


def test_blank_rows_are_missing_and_cells_are_told_apart():
    assert TABULAR.missing((None, "", math.nan, pd.NaT))
    assert not TABULAR.missing((None, "NA")), "whether NA means missing is the config's business"
    assert not TABULAR.missing((None, 0.0))
    assert TABULAR.key((1, "a")) == TABULAR.key((1, "a"))
    assert len({TABULAR.key((cell,)) for cell in (1, 1.0, True, "1")}) == 4
