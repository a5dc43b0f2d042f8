"""Numbers, dates and times in the forms people write: what a column is taken for, read alike when asked, explained."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from consilience.core.config import decode, encode
from consilience.core.errors import BadCell, ConfigError
from consilience.core.limits import Limits
from consilience.modalities.base import ColumnSample
from consilience.modalities.tabular import Tabular
from consilience.modalities.tabular.load import Unusable
from consilience.modalities.tabular.numbers import number_parser

TABULAR = Tabular()
N = 120
DAYS = [date(2023, 1, 1) + timedelta(days=i) for i in range(N)]
RNG = random.Random(0)
PRICES = [round(RNG.random() * 9000 + 1, 2) for _ in range(N)]


def sample(cells, delimiter=""):
    cells = list(cells)
    return ColumnSample(
        name="c", cells=cells, rows=len(cells), distinct=len(set(cells)), root=Path("."), delimiter=delimiter
    )


def resolved(cells, kind=None, delimiter=""):
    column = sample(cells, delimiter)
    return TABULAR.resolve(TABULAR.Config(), [column], [kind or TABULAR.sniff(column).kind])


def load(cell, config):
    value, remarks = TABULAR.load((cell,), config, Path("."), Limits())
    assert not remarks
    return value if value is None else value[0]


def days(*moment):
    return (datetime(*moment) - datetime(1970, 1, 1)).total_seconds() / 86400


WRITTEN = {
    "dollars": (lambda v: f"${v:,.2f}", "number"),
    "euros": (lambda v: f"{v:.2f} €", "number"),
    "German": (lambda v: f"{v:,.2f}".translate(str.maketrans(",.", ".,")), "number_comma"),
    "French": (lambda v: f"{v:,.2f}".replace(",", "\u202f").replace(".", ",") + " €", "number_comma"),
    "Swiss": (lambda v: f"CHF {v:,.2f}".replace(",", "'"), "number"),
    "accounts": (lambda v: f"{v:,.2f}", "number"),
    "yuan": (lambda v: f"￥{v:.2f}", "number"),
    "元": (lambda v: f"{v:.2f} 元", "number"),
    "full width": (lambda v: f"{v:.2f}".translate(str.maketrans("0123456789.", "０１２３４５６７８９．")), "number"),
    "kilograms": (lambda v: f"{v:.2f}kg", "number"),
    "degrees": (lambda v: f"{v:.2f} °C", "number"),
    "thousands": (lambda v: f"{v / 1000:.5f}k", "number"),
    "万": (lambda v: f"{v / 10000:.6f} 万", "number"),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_numbers_in_any_form_are_numbers_and_a_plain_one_says_the_same(written):
    write, kind = WRITTEN[written]
    config = resolved(map(write, PRICES))
    assert config.columns == {"c": kind}
    for value in PRICES:
        assert load(write(value), config) == pytest.approx(value)
        assert load(value, config) == load(np.float64(value), config) == value
    assert decode(TABULAR.Config, encode(config)) == config


@pytest.mark.parametrize(
    ("trained", "asked", "why"),
    [
        (["12 kg", "3.5 kg", "7 kg"], "500 g", "is in g, and the column is in kg"),
        (["$5", "$7.50", "$3"], "5 €", "is in €, and the column is in"),
        (["5", "7.5", "3"], "5 kg", "is in kg, and the column has plain numbers"),
        (["5,4", "7,25", "3,1"], "5.4", "decimal comma"),
        (["5.4", "7.25", "3.1"], "5,4", "is not a number"),
        (["2023-01-31", "2023-02-28"], "31/01/2023", "is not a date"),
        (["31/01/2023", "28/02/2023"], "01/31/2023", "is not a date"),
        (["14:30", "7:05"], "25:00", "is not a time of day"),
    ],
)
def test_a_cell_in_another_form_is_told_and_not_misread(trained, asked, why):
    with pytest.raises(BadCell, match=why):
        TABULAR.load((asked,), resolved(trained), Path("."), Limits())


@pytest.mark.parametrize(
    ("delimiter", "kind", "value"), [(";", "number_comma", 1.709), (",", "number", 1709), ("", "number", 1709)]
)
def test_the_file_says_whether_a_comma_is_for_decimals(delimiter, kind, value):
    cells = ["1,709", "2,456", "3,111"] * 9
    config = resolved(cells, delimiter=delimiter)
    assert (config.columns["c"], load("1,709", config)) == (kind, value)
    assert load("1,709", resolved(cells, kind="number_comma")) == 1.709
    said = TABULAR.sniff(sample(cells, delimiter)).reason
    assert ("--input c=number_comma:c" in said) == (kind == "number"), said


@pytest.mark.parametrize(
    ("cells", "kind", "cell", "moment"),
    [
        ([d.strftime("%m/%d/%Y") for d in DAYS], "date_mdy", "02/03/2023", (2023, 2, 3)),
        ([d.strftime("%m/%d/%Y 05:30 PM") for d in DAYS], "date_mdy", "02/03/2023 12:15 AM", (2023, 2, 3, 0, 15)),
        ([d.strftime("%d/%m/%Y") for d in DAYS], "date_dmy", "02/03/2023", (2023, 3, 2)),
        ([d.strftime("%d-%m-%Y") for d in DAYS], "date_dmy", "02-03-2023", (2023, 3, 2)),
        ([d.strftime("%d.%m.%y") for d in DAYS], "date_dmy", "02.03.70", (1970, 3, 2)),
        ([d.strftime("%m/%d/%y") for d in DAYS], "date_mdy", "02/03/68", (2068, 2, 3)),
        ([d.strftime("%d-%b-%y") for d in DAYS], "date", "05-Jan-23", (2023, 1, 5)),
        ([d.strftime("%a %b %e %H:%M:%S %Y") for d in DAYS], "date", "Sun Jan  1 01:02:03 2023", (2023, 1, 1, 1, 2, 3)),
        ([d.strftime("%a, %d %b %Y 9:00 +0800") for d in DAYS], "date", "Mon, 2 Jan 2023 10:00 +0800", (2023, 1, 2, 2)),
        ([f"{d.year}年{d.month}月{d.day}日" for d in DAYS], "date", "２０２６年３月５日", (2026, 3, 5)),
        ([f"{d.year}年{d.month}月{d.day}日 下午3点" for d in DAYS], "date", "2026年3月5日上午9:05", (2026, 3, 5, 9, 5)),
        ([f"{d.year}年{d.month}月" for d in DAYS], "date", "2026年3月", (2026, 3, 1)),
        (["2026년 3월 5일", "2025년 12월 31일"], "date", "2026년 3월 5일", (2026, 3, 5)),
        (["3 mars 2023", "14 août 2022", "1 déc. 2021"], "date", "14 août 2022", (2022, 8, 14)),
        (["3. Mai 2023", "14. Oktober 2022"], "date", "31. Dezember 2022", (2022, 12, 31)),
    ],
)  # fmt: skip
def test_dates_are_read_in_the_order_of_their_column(cells, kind, cell, moment):
    config = resolved(cells)
    assert config.columns == {"c": kind}
    assert load(cell, config) == pytest.approx(days(*moment), abs=1e-9)
    assert load(datetime(*moment), config) == pytest.approx(days(*moment), abs=1e-9)
    assert load(datetime(*moment).isoformat(), config) == pytest.approx(days(*moment), abs=1e-9)


@pytest.mark.parametrize(
    "cells",
    [
        [f"{i % 12 + 1:02}/{i % 11 + 1:02}/2023" for i in range(N)],
        [f"{i % 12 + 1}-{i % 11 + 1}-20{i % 20 + 10}" for i in range(N)],
        [f"{i % 12 + 1:02}/{i % 12 + 1:02}/{i % 12 + 1:02}" for i in range(N)],
    ],
)
def test_an_order_that_no_day_shows_is_not_guessed(cells):
    assert TABULAR.sniff(sample(dict.fromkeys(cells))) is None or "date_dmy" in TABULAR.sniff(sample(cells)).reason
    hint = TABULAR.hint(sample(cells))
    assert "date_dmy:c" in hint
    assert "date_mdy:c" in hint
    with pytest.raises(ConfigError, match="date_dmy or date_mdy"):
        resolved(cells, kind="date")
    one, other = (load(cells[1], resolved(cells, kind=kind)) for kind in ("date_dmy", "date_mdy"))
    assert one is not None
    assert other is not None


@pytest.mark.parametrize(
    ("cells", "cell", "hour"),
    [
        ([f"{i % 24:02}:{i % 60:02}" for i in range(N)], "14:30", 14.5),
        ([f"{i % 24:02}:{i % 60:02}:07" for i in range(N)], "14:30:36", 14.51),
        ([f"{i % 12 + 1}:{i % 60:02} {'ap'[i % 2]}m" for i in range(N)], "7:30 pm", 19.5),
        ([f"{i % 12 + 1} {'AP'[i % 2]}M" for i in range(N)], "12 AM", 0),
        ([f"{'上下'[i % 2]}午{i % 12 + 1}:{i % 60:02}" for i in range(N)], "下午3:30", 15.5),
        ([f"{i % 24}点{i % 60:02}分" for i in range(N)], "9点15分", 9.25),
    ],
)
def test_times_of_day_are_points_on_a_circle(cells, cell, hour):
    config = resolved(cells)
    assert config.columns == {"c": "time"}
    assert load(cell, config) == pytest.approx(hour / 24)
    assert load(time(6, 30), config) == 6.5 / 24
    values = [(load(c, config),) for c in [*cells, "0:00" if ":" in cell else "12 AM" if "M" in cell else "0点00分"]]
    processor = TABULAR.fit([*values, None], config, weights=np.ones(len(values) + 1))
    assert processor.features([values[0]]).names == ("c: hour", "c: hour sin", "c: hour cos")
    matrix = processor.features([(0.0,), (1 - 1 / 1440,), (0.5,)]).matrix[:, 1:]
    assert np.linalg.norm(matrix[0] - matrix[1]) < 0.01 < 1.9 < np.linalg.norm(matrix[0] - matrix[2])
    again = TABULAR.restore(processor.state(), config)
    assert np.array_equal(again.collate(values).values, processor.collate(values).values)


@pytest.mark.parametrize(
    "word", ["missing", "unknown", "n.a.", "?", "none", "--", "暂无", "无", "未知", "缺失", "sold out"]
)
@pytest.mark.parametrize("share", [2, 10])
def test_a_word_for_nothing_among_numbers_is_missing_and_said(word, share):
    cells = [word if i % share == 0 else str(price) for i, price in enumerate(PRICES)]
    evidence = TABULAR.sniff(sample(cells))
    assert evidence.kind == "number"
    assert f"{word!r} is counted as missing" in evidence.reason
    assert evidence.missing == (word,)
    config = resolved(cells)
    assert config.missing_words == {"c": (word,)}
    assert load(word, config) is None
    assert load("3.5", config) == 3.5
    assert resolved([word, *(d.isoformat() for d in DAYS)] * 3).missing_words == {"c": (word,)}


@pytest.mark.parametrize("word", ["unknown", "none", "无"])
def test_words_for_nothing_are_labels_among_labels(word):
    config = resolved(["red", word, "blue", "green"] * 20)
    assert config.columns == {"c": "category"}
    assert not config.missing_words
    assert load(word, config) == word
    assert resolved([word] * 40 + ["5", "x"] * 20).columns == {"c": "category"}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([f"+1 555 {i:04}" for i in range(N)], "phone numbers"),
        ([f"(030) {100000 + i * 7}" for i in range(N)], "phone numbers"),
        ([f"10.0.{i}.{i % 7}" for i in range(N)], "IP addresses"),
        ([f"2001:db8::{i:x}" for i in range(N)], "IP addresses"),
        ([f"{i / 10},{i / 7:.3f}" for i in range(N)], "coordinates"),
        ([f"({i / 10}; {i / 7:.3f})" for i in range(N)], "coordinates"),
        ([f"550e8400-e29b-41d4-a716-446655440{i:03}" for i in range(N)], "UUIDs"),
        ([f"{RNG.getrandbits(128):032x}" for _ in range(N)], "hashes"),
        ([f"a{i * i}.b@example.org" for i in range(N)], "e-mail"),
        ([f"1.{i}.{i % 3}" for i in range(N)], "version numbers"),
        ([f"978-3-16-{148410 + i}-0" for i in range(N)], "ISBN"),
        ([f"{i}-{i + 10}" for i in range(N)], "ranges"),
        ([f"{i}/{i + 3}" for i in range(N)], "fractions"),
        ([f"{i}x{i + 3}" for i in range(N)], "sizes"),
        ([f"{i} × {i + 3} cm" for i in range(N)], "sizes"),
        ([f"{i} {['MB', 'KB', 'GB'][i % 3]}" for i in range(N)], "several units (mb, kb, gb)"),
        ([f"{i} {['g', 'kg'][i % 2]}" for i in range(N)], "several units (g, kg)"),
        ([f"{25 + i}:{i % 60:02}:05" for i in range(N)], "durations"),
        ([f"{i % 12 + 1}月{i % 28 + 1}日" for i in range(N)], "dates without a year"),
    ],
)
def test_what_is_neither_number_nor_date_is_explained(cells, words):
    column = sample(cells)
    hint = TABULAR.hint(column)
    assert words in hint
    assert "--input c=category:c" in hint
    assert TABULAR.sniff(column) is None or TABULAR.sniff(column).kind == "category"


@pytest.mark.parametrize(
    "cells",
    [
        [f"{i % 3 + 4}'{i % 12}\"" for i in range(N)],
        [f"{i % 9} {['g', 'kg'][i % 2]}" for i in range(N)],
        [f"{i % 4 + 1}/{i % 4 + 1}/2023" for i in range(N)],
        [f"{i % 5}-{i % 5 + 5}" for i in range(N)],
    ],
)
def test_labels_that_are_numbers_in_disguise_are_said_to_be(cells):
    evidence = TABULAR.sniff(sample(cells))
    assert evidence.kind == "category"
    assert TABULAR.hint(sample(cells)) in evidence.reason


@pytest.mark.parametrize("cells", [["red", "blue"] * 20, ["a long sentence of words", "another one"] * 20, [1, 2.5, 3]])
def test_clean_columns_get_no_hint(cells):
    assert TABULAR.hint(sample(cells)) is None


LARGE = {
    "seconds": [1_700_000_000 + 10 * i for i in range(4)],
    "microseconds": [1_700_000_000_000_000 + i for i in range(4)],
    "nanoseconds": [1_700_000_000_000_000_000 + i for i in range(4)],
    "EAN-13": [4006381333931 + i for i in range(4)],
    "accounts": [4_000_000_000_000_000 + i for i in range(4)],
    "snowflakes": [1_500_000_000_000_000_000 + i for i in range(4)],
    "below zero": [-1_500_000_000_000_000_000 - i for i in range(4)],
    "uint64": [2**63 + 5 + i for i in range(4)],
    "20 digits": [12345678901234567890 + i for i in range(4)],
    "hundredths": [1e9 + 0.01 * i for i in range(4)],
    "a code beside": [-1, *(1_500_000_000_000_000_000 + i for i in range(3))],
    "many": [1_500_000_000_000_000_000 + i * i for i in range(300)],
    "two crowds": [10**15 + i for i in range(20)] + [5 * 10**17 + i for i in range(20)],
}


@pytest.mark.parametrize("case", LARGE)
def test_large_numbers_stay_distinct(case):
    values = LARGE[case]
    config = resolved(values * 5)
    assert config.columns == {"c": "number"}
    rows = [(load(v, config),) for v in values]
    whole = [v for v in values if isinstance(v, int)]
    for v in whole:
        asked = {load(form, config) for form in (v, str(v), Decimal(v), *([np.uint64(v)] if 0 <= v < 2**64 else []))}
        assert asked == {v}
    processor = TABULAR.fit([*rows, None], config, weights=np.array([5] * len(rows) + [1]))
    matrix = processor.features(rows).matrix
    assert matrix.dtype == np.float32
    assert len(np.unique(matrix, axis=0)) == len(values)
    if case not in ("a code beside", "two crowds"):
        assert len(np.unique(processor.collate(rows).values)) == len(values)
    again = TABULAR.restore(processor.state(), config)
    assert np.array_equal(again.features(rows).matrix, matrix)
    assert np.isfinite(again.features([(0.0,), (1e300,), (-(10**20),)]).matrix).all()


@pytest.mark.parametrize("case", LARGE)
def test_few_large_numbers_are_not_constant(case):
    said = TABULAR.sniff(sample(LARGE[case] * 5)).reason
    assert "constant" not in said
    assert ("kept exact" in said) == any(abs(v) > 2**53 for v in LARGE[case])


@pytest.mark.parametrize("values", [np.random.default_rng(0).random(5000), np.arange(50.0), np.array([5.0] * 9)])
def test_ordinary_numbers_are_as_measured(values):
    config = TABULAR.Config(columns={"c": "number"})
    processor = TABULAR.fit([(float(v),) for v in values], config, weights=np.ones(len(values)))
    assert np.array_equal(processor.features([(float(v),) for v in values]).matrix[:, 0], values.astype(np.float32))


def test_config_can_say_what_the_data_would_decide():
    said = TABULAR.Config(columns={"c": "number_comma"}, units={"c": "USD"}, missing_words={"c": ("sold",)})
    config = TABULAR.resolve(said, [sample(["1,5 €", "2,5 €"])], ["number"])
    assert config.units == {"c": "$"}
    assert config.missing_words == {"c": ("sold",)}
    assert load("1,5 $", config) == 1.5
    assert load("sold", config) is None
    with pytest.raises(ConfigError, match=r"units\.d"):
        TABULAR.resolve(TABULAR.Config(units={"d": "kg"}), [sample(["1"])], ["number"])
    with pytest.raises(Unusable, match="infinite"):
        number_parser((), unit="kg")("9" * 400 + " kg")
