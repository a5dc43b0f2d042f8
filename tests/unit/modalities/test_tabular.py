"""The tabular modality: the columns it claims and why, its config, and typed tables against written ones."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from consilience.core.config import decode, encode
from consilience.core.errors import ConfigError
from consilience.core.limits import Limits
from consilience.modalities.base import ColumnSample
from consilience.modalities.tabular import ENCODERS, Tabular
from consilience.modalities.tabular.load import load_row

TABULAR = Tabular()
Config = TABULAR.Config
MIXED = Config(columns={"price": "number", "colour": "category", "sold": "date"})


def sample(cells, name="c", rows=None):
    return ColumnSample(
        name=name, cells=cells, rows=rows or len(cells), distinct=len(set(map(repr, cells))), root=Path(".")
    )


def sniff(cells, **options):
    return TABULAR.sniff(sample(cells, **options))


def load(cell, config):
    return TABULAR.load(cell, config, Path("."), Limits())


@pytest.mark.parametrize(
    ("cells", "kind", "strength"),
    [
        (["1,234.5", "1e-3", " 42 ", "12%"], "number", 0.9),
        ([1, 2, None, 3.5, "NA"], "number", 0.9),
        (["1", "2", "3", "4", "x"], "number", 0.75),
        ([*map(str, range(19)), "x"], "number", 0.9),
        ([*map(str, range(18)), "x"], "number", 0.75),
        ([True, False] * 5, "category", 0.9),
        (["true", "FALSE"] * 5, "category", 0.9),
        (["1998-06-12", "2001/01/01", "03.04.2005"], "date", 0.9),
        (["Jun 12 1998", "Aug 07 1998"], "date", 0.9),
        ([datetime(2020, 1, 1), date(2021, 1, 1)], "date", 0.9),
        ([20200131, 20200229, 20211231], "date", 0.9),
        ([20200131, 20200230, 20211231], "number", 0.9),
        (["red", "green", "blue"] * 10, "category", 0.6),
    ],
)
def test_columns_are_claimed(cells, kind, strength):
    evidence = sniff(cells)
    assert (evidence.kind, evidence.strength) == (kind, strength)


@pytest.mark.parametrize(
    "cells",
    [
        [],
        ["NA", "-", None],
        [f"The film number {i} about a dog" for i in range(100)],
        ["I liked it a lot and would see it again", "It was not good at all, sadly"] * 50,
        [f"Name{chr(65 + i % 26)}{chr(97 + i // 26)}" for i in range(300)],
        ["photos/a.jpg", "photos/b.jpg"] * 20,
        ["https://example.org/a", "https://example.org/b"] * 20,
        [b"\x89PNG", b"\x89PNG"],
        ["1", "2", "x", "y", "z", "w"],
    ],
    ids=["empty", "markers", "titles", "sentences", "names", "paths", "links", "bytes", "too mixed"],
)
def test_columns_of_others_are_left_to_them(cells):
    assert sniff(cells) is None


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1"] * 17 + ["x"] * 3, "3 of 20 looked at are not"),
        ([1, 2, 3] * 10, "only 3 different whole numbers; kept as numbers"),
        (list(range(500)), "row number"),
        ([7, 3, 1, 10, 2, 9, 8, 6, 5, 4], "row number"),
        (list(range(100, 5000, 7)), "row number"),
        ([f"ID{i:04}" for i in range(50)], "row number"),
        ([5.0] * 10, "constant"),
        (["x"] * 10, "constant"),
        ([True] * 10, "constant"),
        (["2020-01-01"] * 10, "constant"),
        ([f"0{i}{i * 7 % 9}" for i in range(60)], "leading zeros"),
    ],
)
def test_reasons_warn(cells, words):
    assert words in sniff(cells).reason


def test_a_sample_of_row_numbers_is_recognised_and_a_measurement_is_not():
    rng = np.random.default_rng(0)
    ids = sorted(rng.choice(100_000, 1000, replace=False).tolist())
    assert "row number" in sniff(ids, rows=100_000).reason
    prices = rng.choice(10_000_000, 1000, replace=False).tolist()
    assert "row number" not in sniff(prices, rows=100_000).reason


def test_codes_with_leading_zeros_that_repeat_are_categories():
    assert sniff(["01", "02", "03"] * 20).kind == "category"


def test_many_categories_are_claimed_when_the_frequent_ones_make_up_nearly_all():
    long_tail = [f"studio {chr(97 + i % 26)}" for i in range(900)] + [f"rare {i}" for i in range(80)]
    assert "make up" in sniff(long_tail).reason
    assert sniff([f"director {i // 2}" for i in range(900)]) is None


def test_resolve_decides_what_was_left_open_and_keeps_what_was_said():
    columns = [
        sample([1, 2, 3], "a"),
        sample(["x", "y"] * 5, "b"),
        sample([1, 2, 1], "c"),
        sample(["long free text about many things", "another"], "d"),
        sample(["2020-01-01"], "e"),
    ]
    config = TABULAR.resolve(Config(columns={"c": "category"}), columns, ["number", *["tabular"] * 4])
    assert list(config.columns.items()) == [
        ("a", "number"),
        ("b", "category"),
        ("c", "category"),
        ("d", "category"),
        ("e", "date"),
    ]
    with pytest.raises(ConfigError, match="colour"):
        TABULAR.resolve(Config(columns={"color": "category"}), [sample(["x"], "colour")], ["tabular"])


def test_config_survives_being_written_and_mistakes_are_named():
    assert decode(Config, json.loads(json.dumps(encode(MIXED)))) == MIXED
    with pytest.raises(ConfigError, match=r"columns\.a"):
        decode(Config, {"columns": {"a": "numbr"}})
    for wrong in ({"tail": 0.5}, {"max_categories": 0}, {"noise": -1.0}, {"column_dropout": 1.0}, {"limit": 0.0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            decode(Config, wrong)


def test_the_table_of_encoders_names_the_default_one():
    assert TABULAR.default_encoder in ENCODERS
    assert TABULAR.kinds[0] == TABULAR.name


def test_a_csv_and_a_typed_table_give_the_same_answer():
    config = Config(columns={"n": "number", "c": "category", "b": "category", "d": "date"})
    typed = [
        (3, 3.0, True, date(2020, 1, 31)),
        (2.5, 4, False, datetime(2020, 2, 1, 12)),
        (None, math.nan, None, pd.NaT),
    ]
    written = [("3", "3", "True", "2020-01-31"), ("2.5", "4.0", "FALSE", "2020-02-01 12:00:00"), ("", "NA", None, "")]
    assert [load(row, config) for row in typed] == [load(row, config) for row in written]


def test_a_row_must_have_as_many_parts_as_the_config_has_columns():
    with pytest.raises(ValueError, match="zip"):
        load_row((1.0,), MIXED)


def test_examples_can_be_loaded():
    processor = TABULAR.fit([(1.0, "red", 0.0)], MIXED, weights=np.ones(1))
    for seed in range(20):
        value, remarks = load(TABULAR.example(MIXED, processor, np.random.default_rng(seed)), MIXED)
        assert [type(part) for part in value] == [float, str, float]
        assert not remarks
