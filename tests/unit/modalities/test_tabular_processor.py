"""What is learned from a table and made of its rows; no row depends on another, nor on the order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from consilience.core.limits import Limits
from consilience.core.state import State
from consilience.modalities.tabular import Tabular
from consilience.modalities.tabular.stats import count

TABULAR = Tabular()
Config = TABULAR.Config
MIXED = Config(columns={"price": "number", "colour": "category", "sold": "date"})


def load(cell, config):
    return TABULAR.load(cell, config, Path("."), Limits())


def fit(rows, config=MIXED, weights=None):
    return TABULAR.fit(rows, config, weights=np.ones(len(rows), np.int64) if weights is None else np.array(weights))


def mixed_rows(n=200, seed=0):
    """Loaded rows of MIXED with gaps in every column, rare categories and whole rows missing."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        price, colour, sold = rng.lognormal(3, 2), rng.choice(["red", "green", "blue"]), rng.uniform(8000, 19000)
        gaps = rng.random(3) < 0.1
        parts = (float(price), str(colour), float(sold))
        rows.append(tuple(None if gap else part for gap, part in zip(gaps, parts, strict=True)))
    return [None if row == (None, None, None) else row for row in rows] + [None, (1.0, "unicorn", None)]


def test_numbers_are_standardised_and_categories_one_hot_as_scikit_learn_does_it():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(5, 3, 300), "c": rng.choice(["a", "b", "c"], 300)})
    config = Config(columns={"x": "number", "c": "category"}, tail=0.0)
    rows = [load(row, config)[0] for row in frame.itertuples(index=False, name=None)]
    values = fit(rows, config).collate(rows).values[:, 0]
    np.testing.assert_allclose(values[:, :1], StandardScaler().fit_transform(frame[["x"]]), rtol=1e-5, atol=1e-6)
    # Places are in order of frequency, and one more stands for all other categories.
    kept = frame["c"].value_counts().index.tolist()
    one_hot = OneHotEncoder(categories=[kept], sparse_output=False).fit_transform(frame[["c"]])
    np.testing.assert_array_equal(values[:, 1:], np.column_stack([one_hot, np.zeros(300)]))


def test_parts_of_dates_are_those_pandas_finds():
    stamps = pd.date_range("1969-11-05 06:00", periods=200, freq="41h")
    config = Config(columns={"t": "date"})
    rows = [load((stamp,), config)[0] for stamp in stamps]
    made = fit(rows, config).features(rows)
    part = {name.split(": ")[1]: made.matrix[:, i] for i, name in enumerate(made.names)}
    assert "year" not in part  # the days tell it
    for name, cycle in (
        ("month", (stamps.month - 1) / 12),
        ("weekday", stamps.day_of_week / 7),
        ("hour", stamps.hour / 24),
    ):
        np.testing.assert_allclose(part[f"{name} sin"], np.sin(2 * np.pi * cycle), atol=1e-6)
        np.testing.assert_allclose(part[f"{name} cos"], np.cos(2 * np.pi * cycle), atol=1e-6)
    np.testing.assert_allclose(part["days"], (stamps - pd.Timestamp("1969-11-05")) / pd.Timedelta(days=1), atol=1e-4)


def test_dates_without_a_time_have_no_hour():
    made = fit([(1.0,), (2.0,)], Config(columns={"t": "date"})).features([(1.5,)])
    assert not any("hour" in name for name in made.names)


def test_missing_parts_are_nan_for_trees_and_flagged_zeros_for_networks():
    rows = [(1.0, "red", 0.0), (None, "red", 1.0), (3.0, None, 2.0), (5.0, "red", None)]
    processor = fit(rows)
    made = processor.features([(None, None, None), (None, None, 0.0), (1.0, "blue", None)])
    column = {name: made.matrix[:, i] for i, name in enumerate(made.names)}
    assert made.present.tolist() == [False, True, True]
    assert not made.matrix[0].any()
    assert np.isnan(column["price"][1])
    assert column["colour = red"][1] == column["colour: other"][1] == 0
    assert column["colour: missing"].tolist() == [0, 1, 0]
    assert column["colour: other"].tolist() == [0, 0, 1], "a category never seen"
    assert all(np.isnan(values[2]) for name, values in column.items() if name.startswith("sold"))

    tokens = processor.collate([(None, "red", None), None])
    assert tokens.values.shape == (2, 1, processor.shape()["features"])
    assert tokens.values.dtype == np.float32
    assert tokens.mask.tolist() == [[True], [False]]
    assert tokens.values[0, 0, :2].tolist() == [0.0, 1.0], "number, then its indicator"
    assert tokens.values[0, 0, -1] == 1.0
    assert not tokens.values[1].any()


def test_only_columns_with_gaps_in_training_have_indicators():
    rows = [(1.0, "red", 0.0), (2.0, "red", 5.0), None]
    assert not any(column.gaps for column in fit(rows).columns), "a row that is wholly missing is no gap"
    assert [column.gaps for column in fit([*rows, (None, "red", 1.0)]).columns] == [True, False, False]


@settings(deadline=None)
@given(st.permutations(range(40)))
def test_rows_never_depend_on_each_other_or_on_their_order(order):
    rows = mixed_rows()
    head = rows[:30] + rows[-10:]
    a, b = fit(head), fit([head[i] for i in order])
    assert a.columns == b.columns
    together = a.collate(head)
    features = a.features(head)
    for u, i in enumerate(order[:5]):
        alone = a.collate([head[i]])
        np.testing.assert_array_equal(together.values[i], alone.values[0])
        np.testing.assert_array_equal(features.matrix[i], a.features([head[i]]).matrix[0])
        assert a.collate([head[j] for j in order]).values[u].tobytes() == together.values[i].tobytes()


def test_weights_count_as_repeated_rows():
    rows = mixed_rows(50)
    weights = np.arange(len(rows)) % 4
    repeated = [row for row, n in zip(rows, weights, strict=True) for _ in range(n)]
    assert fit(rows, weights=weights).columns == fit(repeated).columns
    assert fit(rows, weights=weights).columns != fit(rows).columns


def test_weights_that_are_not_whole_do_not_bring_the_order_in():
    numbers, weights = np.repeat([1.5, 2.5, 7.0], 20), np.tile([0.1, 0.7, 1e9, 0.3], 15)
    order = np.random.default_rng(0).permutation(60)
    a, b = count(numbers, weights), count(numbers[order], weights[order])
    assert a.counts.tobytes() == b.counts.tobytes()


@pytest.mark.parametrize("n", [1, 99, 100, 101, 1000])
def test_the_tails_end_at_the_quantiles_numpy_finds(n):
    numbers = np.random.default_rng(n).normal(size=n)
    clipped = count(numbers, np.ones(n)).clipped(0.01).values
    high = np.quantile(numbers, 0.99, method="inverted_cdf")
    low = -np.quantile(-numbers, 0.99, method="inverted_cdf")  # the same rule from the other end
    assert (clipped[0], clipped[-1]) == (low, high)


def test_restore_is_equal_bit_for_bit():
    rows = mixed_rows()
    processor = fit(rows)
    state = processor.state()
    saved = State(arrays=state.arrays, meta=json.loads(json.dumps(state.meta)))
    again = TABULAR.restore(saved, MIXED)
    assert again.columns == processor.columns
    assert again.shape() == processor.shape()
    assert again.collate(rows).values.tobytes() == processor.collate(rows).values.tobytes()
    assert again.features(rows).matrix.tobytes() == processor.features(rows).matrix.tobytes()
    assert again.features(rows).names == processor.features(rows).names


@pytest.mark.parametrize(
    "rows",
    [
        [(None, None, None)] * 3,
        [None, None],
        [(1.0, "a", 5.0)],
        [(1e308, "a", 5.0), (-1e308, "a", 5.0)],
        [(5e-324, "a", -700000.0), (0.0, "b", 2900000.25)],
    ],
    ids=["nothing", "no rows", "one row", "huge", "tiny"],
)
def test_odd_tables_are_finite(rows):
    processor = fit(rows)
    probe = [*rows, (1e300, "new", 1.0), (-1.0, None, 0.0), (None, None, 3.25)]
    tokens = processor.collate(probe)
    assert np.isfinite(tokens.values).all()
    assert not np.isinf(processor.features(probe).matrix).any()
    assert processor.features(probe).matrix.shape[1] == len(processor.features(probe).names)


def test_no_rows_at_all():
    processor = fit(mixed_rows())
    assert processor.collate([]).values.shape == (0, 1, processor.shape()["features"])
    assert processor.features([]).matrix.shape == (0, len(processor.features([]).names))


def test_a_constant_column_becomes_zero():
    processor = fit([(0.1,)] * 7, Config(columns={"x": "number"}))
    assert not processor.collate([(0.1,)]).values.any()


def test_a_rare_flag_is_not_lost_with_the_tails():
    config = Config(columns={"x": "number"}, limit=100.0)
    processor = fit([(0.0,)] * 997 + [(1.0,)] * 3, config)
    assert processor.collate([(1.0,)]).values[0, 0, 0] > 10


def test_one_outlier_does_not_squeeze_the_others_and_is_cut_off():
    config = Config(columns={"x": "number"}, limit=5.0)
    rows = [(float(v),) for v in np.random.default_rng(0).normal(0, 1, 500)] + [(1e12,)]
    values = fit(rows, config).collate(rows).values[:, 0, 0]
    assert values[:-1].std() > 0.9
    assert values[-1] == 5.0
    whole = fit(rows, Config(columns={"x": "number"}, tail=0.0)).collate(rows).values[:, 0, 0]
    assert whole[:-1].std() < 1e-3


def test_skewed_numbers_are_logged_and_symmetric_or_negative_ones_are_not():
    rng = np.random.default_rng(0)
    prices, heights = rng.lognormal(8, 2, 500), rng.normal(170, 10, 500)

    def column(numbers, **settings):
        return fit([(float(v),) for v in numbers], Config(columns={"x": "number"}, **settings)).columns[0]

    assert column(prices).log
    assert not column(prices, log="never").log
    assert not column(heights).log
    assert not column(prices - 1000).log
    assert not column(np.r_[np.zeros(495), np.ones(5)]).log, "a rare flag is not a price"


def test_classic_learners_see_the_rank_of_a_number_among_the_training_rows():
    values = np.random.default_rng(0).lognormal(0, 3, 2000)
    only = {"columns": {"x": "number"}, "log": "never"}
    processor = fit([(float(v),) for v in values], Config(**only))
    probe = [float(v) for v in [*np.sort(values)[::100], values.max() * 1e6, -1.0]]
    made = processor.features([(v,) for v in probe] + [(None,)])
    assert made.names == ("x", "x: rank")
    expected = [(values < v).mean() for v in probe]
    np.testing.assert_allclose(made.matrix[:-1, 1], expected, atol=0.02)
    assert not made.present[-1]
    assert fit([(float(v),) for v in values], Config(**only, ranks=False)).features([(1.0,)]).names == ("x",)
    assert fit([(float(v % 9),) for v in range(99)], Config(**only)).features([(1.0,)]).names == ("x",), "codes"


def test_ties_share_the_middle_of_their_ranks():
    rows = [(0.0,)] * 600 + [(float(v),) for v in range(1, 401)]
    made = fit(rows, Config(columns={"x": "number"}, log="never")).features([(0.0,), (400.0,)])
    np.testing.assert_allclose(made.matrix[:, 1], [0.3, 1.0], atol=0.02)


def test_the_most_frequent_categories_are_kept_and_ties_are_settled_by_name():
    labels = ["b"] * 3 + ["a"] * 3 + ["z"] * 5 + ["rare"] + ["d", "c"] * 2
    rows = [(label,) for label in labels]

    def kept(**settings):
        return fit(rows, Config(columns={"x": "category"}, **settings)).columns[0].categories

    assert kept() == ("z", "a", "b", "c", "d")
    assert kept(max_categories=2) == ("z", "a")
    assert kept(min_count=4) == ("z",)
    assert kept(min_count=1)[-1] == "rare"


def augmented(rows, **settings):
    processor = fit(rows, Config(columns=MIXED.columns, **settings))
    tokens = processor.collate(rows)
    before = tokens.values.copy()
    changed = processor.augment(tokens, np.random.default_rng(3))
    assert tokens.values.tobytes() == before.tobytes(), "augment returns a new array"
    return processor, tokens.values[:, 0], changed.values[:, 0], changed.mask


def test_augmentation_is_off_by_default():
    _, before, after, _ = augmented(mixed_rows())
    np.testing.assert_array_equal(before, after)


def test_noise_touches_the_numbers_that_are_there_and_nothing_else():
    rows = mixed_rows()
    _, before, after, mask = augmented(rows, noise=0.1)
    there = np.array([row is not None and row[0] is not None for row in rows])
    moved = before != after
    assert moved[there, 0].mean() > 0.99
    assert not moved[~there].any()
    assert not moved[:, 1:].any()
    assert (after - before)[there, 0].std() == pytest.approx(0.1, rel=0.2)
    assert not after[~mask[:, 0]].any()


def test_noise_leaves_a_constant_alone():
    processor = fit([(2.0,)] * 5, Config(columns={"x": "number"}, noise=1.0))
    tokens = processor.collate([(2.0,)] * 5)
    assert not processor.augment(tokens, np.random.default_rng(0)).values.any()


def test_dropped_columns_look_exactly_like_missing_ones():
    rows = [row for row in mixed_rows() if row is not None and None not in row] + [None]
    gappy = [*rows, (None, "red", 1.0), (1.0, None, 1.0), (1.0, "red", None)]
    processor, _, after, mask = augmented(gappy, column_dropout=0.4)
    keeps_of = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1) if a or b or c]
    for row, changed in zip(rows[:-1], after, strict=False):
        ways = [tuple(v if keep else None for v, keep in zip(row, keeps, strict=True)) for keeps in keeps_of]
        assert any((processor.collate([way]).values[0, 0] == changed).all() for way in ways)
    assert not after[len(rows) - 1].any()
    assert mask.sum() == len(gappy) - 1
