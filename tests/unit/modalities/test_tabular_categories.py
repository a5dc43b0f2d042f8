"""Categories asked about in another form than in training: same meaning, same place; else the place of all others."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from consilience.modalities.tabular import Tabular
from consilience.modalities.tabular.config import Config
from consilience.modalities.tabular.load import category_parser, load_row
from consilience.modalities.tabular.meaning import fold
from consilience.modalities.tabular.transform import CategoryColumn, from_json, to_json

PARSE = category_parser(())


def fitted(*cells, times=3, **config) -> CategoryColumn:
    parts = [PARSE(cell) for cell in cells for _ in range(times)]
    return CategoryColumn.fit("c", parts, np.ones(len(parts)), Config(**config))


@pytest.mark.parametrize(
    ("trained", "asked"),
    [
        ((True, False), [1, 1.0, "1", "1.0", "TRUE", "True", "true", "T", "t", " true ", np.bool_(True), np.int64(1)]),
        (("t", "f"), ["T", True, "TRUE", 1]),
        (("Yes", "No"), ["yes", "YES", "Y", "y", True, 1, "true"]),
        (("Y", "N"), ["y", "yes", "Yes", "1"]),
        ((1, 0), [True, "TRUE", "t", 1.0, "01"]),
        (("on", "off"), ["ON", "On", True]),
        (("007", "123"), [7, 7.0, "7", "7.0", "07", np.float64(7), "7.00", Decimal(7)]),
        (("7", "123"), ["007", 7.0, "\uff17"]),
        (("1.50", "2.25"), ["1.5", 1.5, "1.500"]),
        (("Red", "blue"), ["red", "RED", " Red ", "\uff32ed"]),
        (("New York", "Paris"), ["new york", "New  York", "NEW YORK"]),
        (("Stra\u00dfe", "Weg"), ["STRASSE"]),
    ],
)
def test_the_same_meaning_has_the_same_place(trained, asked):
    column = fitted(*trained)
    first = column.raw([PARSE(trained[0])])
    for cell in asked:
        assert np.array_equal(column.raw([PARSE(cell)]), first), cell
        assert column.meant(PARSE(cell)) == PARSE(trained[0])
    restored = from_json(to_json(column))
    assert np.array_equal(restored.raw([PARSE(c) for c in asked]), column.raw([PARSE(c) for c in asked]))


@pytest.mark.parametrize(
    ("trained", "asked"),
    [
        ((True, False), ["yes", "no", "2", "maybe", "y"]),  # words that may be no flags: training has none of them
        (("1", "0", "2"), ["true", True, "t"]),  # codes
        (("y", "x"), ["yes", "true"]),
        (("007", "7", "9"), ["07", "0007"]),  # two could be meant
        (("Red", "red", "blue"), ["RED"]),
        (("A007", "b"), ["A7", "7"]),
        (("1E3", "b"), ["1000"]),
        (("-0", "b"), ["x"]),
        (("1,000", "b"), ["1000", "1"]),
    ],
)
def test_what_could_mean_anything_is_another_value(trained, asked):
    column = fitted(*trained)
    for cell in asked:
        assert column.meant(PARSE(cell)) is None, cell
        assert column.raw([PARSE(cell)]).argmax() == len(column.categories)


def test_a_rare_training_value_keeps_its_own_meaning():
    parts = ["Red"] * 5 + ["red"] + ["blue"] * 5
    column = CategoryColumn.fit("c", parts, np.ones(len(parts)), Config(min_count=2))
    assert column.exact == ("Red",)
    assert column.meant("red") is None, "in training it was one of the others"
    assert column.meant("BLUE") == "blue"
    unseen = CategoryColumn.fit("c", parts, np.where(np.array(parts) == "red", 0, 1), Config(min_count=2))
    assert unseen.meant("red") == "Red", "rows that nothing is learned from decide nothing"


def test_the_order_of_rows_decides_nothing():
    parts = ["007", "7a", "Red", "x", "0"] * 3
    one, other = (CategoryColumn.fit("c", p, np.ones(len(p)), Config()) for p in (parts, parts[::-1]))
    assert one == other


@pytest.mark.parametrize(("label", "same"), [("00", "0"), ("-0", "0"), ("+7", "7"), ("0.50", "00.5"), ("-07", "-7.0")])
def test_numbers_fold_without_needless_zeros(label, same):
    assert fold(label, {}) == fold(same, {})


@pytest.mark.parametrize(("label", "other"), [("7", "70"), ("-7", "7"), ("0.5", "5"), ("1.05", "1.5")])
def test_other_numbers_fold_apart(label, other):
    assert fold(label, {}) != fold(other, {})


def resolved(cells, kind=None):
    from consilience.modalities.base import ColumnSample

    column = ColumnSample(name="x", cells=cells, rows=len(cells), distinct=len(set(cells)), root=Path())
    return Tabular().resolve(Config(columns={} if kind is None else {"x": kind}), [column], ["number"])


@pytest.mark.parametrize("cells", [[1, 0] * 10, ["1", "0"] * 10, [1.0, 0.0, None] * 5, ["0", "1.0"] * 9])
def test_a_number_column_of_flags_reads_the_words_for_them(cells):
    config = resolved(cells)
    assert config.columns == {"x": "flag"}
    for word, value in {"TRUE": 1.0, "False": 0.0, " true": 1.0, "t": 1.0, "F": 0.0}.items():
        assert load_row((word,), config) == ((value,), [])
    for cell in (True, np.bool_(True), np.float32(1), Decimal(1)):
        assert load_row((cell,), config)[0] == (1.0,)


@pytest.mark.parametrize("cells", [[1, 0, 2] * 10, ["1"] * 9, [0.5, 1.0, 0.0], ["1", "0", "x"]])
def test_other_numbers_do_not(cells):
    from consilience.core.errors import BadCell

    config = resolved(cells)
    assert config.columns == {"x": "number"}
    with pytest.raises(BadCell):
        load_row(("TRUE",), config)
    assert resolved(cells, "flag").columns == {"x": "flag"}, "unless they are told to"
