"""Numeric targets however they are written: read as numbers, or refused by name; never hundreds of classes."""

from __future__ import annotations

import random
from decimal import Decimal

import numpy as np
import pytest

from consilience.core.errors import DataError
from consilience.tasks import TASKS
from consilience.tasks.choose import choose, recognise, settings
from consilience.tasks.regression import Regression

AUTO = settings("auto", "task", [])
RNG = random.Random(0)
VALUES = [round(RNG.random() * 9000 + 1, 2) for _ in range(200)]
WRITTEN = {
    "decimal commas": lambda v: f"{v:.2f}".replace(".", ","),
    "German": lambda v: f"{v:,.2f}".translate(str.maketrans(",.", ".,")),
    "dollars": lambda v: f"${v:,.2f}",
    "euros": lambda v: f"{v:.2f} €",
    "yuan": lambda v: f"￥{v:.2f}",
    "万": lambda v: f"{v / 10000:.6f}万",
    "kilograms": lambda v: f"{v:.2f} kg",
    "full width": lambda v: f"{v:.2f}".translate(str.maketrans("0123456789.", "０１２３４５６７８９．")),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_numbers_in_any_form_are_a_number_to_learn_and_the_form_is_kept(written) -> None:
    cells = [WRITTEN[written](v) for v in VALUES]
    kind, _, notes = recognise(cells, "y")
    assert (kind, notes) == ("regression", ())
    chosen = choose(AUTO, cells, column="y")
    task = Regression.restore(chosen.task.meta())
    assert task.encode(cells, column="y") == pytest.approx(VALUES)
    assert task.encode(VALUES, column="y").tolist() == VALUES, "the same numbers from a data frame"
    assert task.meta() == chosen.task.meta()


def test_units_and_commas_are_said() -> None:
    assert "their unit is kg" in recognise([WRITTEN["kilograms"](v) for v in VALUES], "y")[1]
    assert "decimal comma" in recognise([WRITTEN["decimal commas"](v) for v in VALUES], "y")[1]


def test_a_comma_that_may_be_either_is_asked_about() -> None:
    cells = [f"{i % 9 + 1},{i * 7 % 900 + 100}" for i in range(200)]
    assert "task.decimal=comma" in recognise(cells, "y")[1]
    with pytest.raises(DataError, match=r"task\.decimal=comma, or --set task\.decimal=point"):
        choose(AUTO, cells, column="y")
    for decimal, first in (("comma", 1.1), ("point", 1100)):
        task = Regression.fit(cells, column="y", config=Regression.Config(decimal=decimal))
        assert task.encode(cells[:1], column="y").tolist() == [first]


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, "inf", "-inf", "Infinity", "1e400", "error", "n/a?", "5 g"])
@pytest.mark.parametrize("task", ["auto", "regression"])
def test_one_wrong_cell_among_many_numbers_is_named_with_its_row(wrong, task) -> None:
    cells: list = [str(v) if isinstance(wrong, str) else v for v in VALUES]
    cells[3] = wrong
    with pytest.raises(DataError, match=r"column 'y', row 4: .* is not a (finite )?number"):
        choose(settings(task, "task", []), cells, column="y")


@pytest.mark.parametrize("wrong", ["error", "sold"])
def test_many_such_words_or_few_numbers_are_labels(wrong) -> None:
    assert recognise([wrong if i % 5 == 0 else str(v) for i, v in enumerate(VALUES)], "y")[0] == "classification"
    assert recognise(["1", "2", "3", wrong] * 50, "y")[0] == "classification"
    assert recognise(["1,2", "2,3", "1,3"] * 50, "y")[0] == "classification"
    assert recognise(["1 star", "2 stars", "5 stars"] * 50, "y")[0] == "classification"


@pytest.mark.parametrize("many", [["5 g", "1 kg"], ["$5", "5 €"], ["3 lb", "3 oz"]])
def test_units_are_not_mixed(many) -> None:
    cells = [many[i % 2].replace("5", str(i + 5)).replace("3", str(i + 3)) for i in range(200)]
    with pytest.raises(DataError, match="and the column is in"):
        Regression.fit(cells, column="y")


@pytest.mark.parametrize("scale", [10, 1_000_000, 1_000_000_000])
def test_time_stamps_keep_what_they_differ_by(scale) -> None:
    cells = [1_700_000_000 * scale + i * scale for i in range(100)]
    for form in (cells, list(map(str, cells)), list(map(Decimal, cells))):
        task = Regression.fit(form, column="y")
        scores = (task.encode(form, column="y") - task.mean) / task.deviation
        answers = task.activate(scores.astype(np.float32)[:, None])[:, 0]
        assert np.abs(answers - np.array(cells, np.float64)).max() < 1e-4 * scale * 100
    assert next(k for k in TASKS if TASKS.load(k).claims(cells)) == "regression"
