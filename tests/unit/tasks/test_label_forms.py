"""One label written in several ways is one class, in training as when scored; what is not one stays apart."""

import random

import numpy as np
import pytest

from consilience.tasks import TASKS
from consilience.tasks.choose import choose, settings
from consilience.tasks.classification import Classification
from consilience.tasks.label_forms import Labels

NFC, NFD = "caf\u00e9", "cafe\u0301"

ONE = {
    "flags in words": [["True", "true", "TRUE", True], ["False", "false", "FALSE", False]],
    "flags and numbers": [[True, "True", 1, "1", 1.0, "1.0", "true "], [False, "False", 0, "0", 0.0, "0.0"]],
    "numbers": [[1, "1", "1.0", 1.0, "+1", np.int64(1)], [2, "2", "2.00"], [3, "3"]],
    "full-width digits": [["１", "1"], ["２", "2"], ["１０", "10"]],
    "blanks": [["new  york", "new york ", "\u00a0new york"], ["rome", " rome"]],
    "Unicode": [[NFC, NFD], ["tea", "\ufefftea", "ｔｅａ"]],
    "case": [["Yes", "yes", "YES"], ["No", "no"]],
    "case of words": [["Spam", "spam"], ["ham", "Ham", "HAM"], ["neither"]],
}  # fmt: skip
APART = {
    "yes and y": ["yes", "y", "no", "n"],
    "codes": ["01", "1", "001"],
    "versions": ["1.10", "1.1", "1.01"],
    "three numbers are no flags": [0, 1, 2, True],
    "accents": ["resume", "résumé"],
    "powers": ["m²", "m2"],
}


@pytest.mark.parametrize("groups", ONE.values(), ids=ONE)
def test_forms_of_one_label_are_one_class(groups) -> None:
    cells = [form for forms in groups for k, form in enumerate(forms) for _ in range(9 - k)]
    task = choose(settings("classification", "task", []), cells, column="y")
    assert task.task.width == len(groups)
    for forms in groups:
        assert len(set(task.task.encode(forms, column="y").tolist())) == 1
        assert len({*task.task.opened(forms, column="y").encode(forms, column="y").tolist()}) == 1
    again = TASKS.load("classification").restore(task.task.meta())
    assert again.encode(cells, column="y").tolist() == task.task.encode(cells, column="y").tolist()
    (note,) = task.notes
    assert note.startswith("column 'y': labels that were written in several ways")
    assert "(9" in note


@pytest.mark.parametrize("labels", APART.values(), ids=APART)
def test_what_is_not_one_label_stays_apart_without_a_word(labels) -> None:
    task = Classification.fit(labels * 5, column="y")
    assert task.width == len(labels)
    assert not task.notes


@pytest.mark.parametrize("kind", ["classification", "multilabel", "ordinal"])
def test_every_task_of_labels_joins_and_says_so(kind) -> None:
    cells = ["1", "2", "1.0", "3", "１", "2", "3"] * 4
    given = [[c] for c in cells] if kind == "multilabel" else cells
    found = choose(settings(kind, "task", []), given, column="y")
    assert found.task.names == ("1", "2", "3")
    assert "'1'" in found.notes[0]
    assert "8 of 28 rows (28.6%)" in found.notes[0]


def test_several_targets_join_each_by_itself() -> None:
    from consilience.tasks.choose import choose_many

    cells = [("True", 1), ("true", 0), ("False", "1"), ("false", "0")] * 5
    found = choose_many(settings("classification", "task", []), cells, columns=("a", "b"))
    assert found.task.names == ("a_False", "a_True", "b_0", "b_1")
    assert [note[:10] for note in found.notes] == ["column 'a'", "column 'b'"]


def test_the_usual_form_is_shown_and_the_order_of_rows_plays_no_part() -> None:
    cells = ["spam"] * 5 + ["Spam"] * 7 + ["HAM"] * 3 + ["ham"] * 3 + [1] * 4 + ["1"] * 2
    expected = Labels.of(cells)
    assert set(expected) == {"Spam", "HAM", "1"}, "of one type where that can be; of equals the first"
    for seed in range(5):
        random.Random(seed).shuffle(cells)
        assert tuple(Labels.of(cells)) == tuple(expected)
        assert Labels.of(cells).notes == expected.notes


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_case_that_tells_classes_apart_can_be_kept(kind) -> None:
    cells = [[c] if kind == "multilabel" else c for c in ["a", "A", "b", "B"] * 5]
    assert TASKS.load(kind).fit(cells, column="y").width == 2
    found = choose(settings({"kind": kind, "case": "keep"}, "task", []), cells, column="y")
    assert found.task.width == 4
    assert not found.notes
    np.testing.assert_array_equal(
        found.task.opened(cells, column="y").encode(cells, column="y"), found.task.encode(cells, column="y")
    )


def test_an_order_that_names_both_cases_keeps_them_apart() -> None:
    part = settings({"kind": "ordinal", "order": ["low", "LOW", "high"]}, "task", [])
    assert choose(part, ["low", "LOW", "high"] * 4, column="y").task.width == 3


@pytest.mark.parametrize("trained", [[True, False], ["0", "1"], [0, 1]])
def test_flags_are_found_beside_a_label_nobody_knew(trained) -> None:
    task = Classification.fit(trained * 4, column="y")
    for asked in ([True, False, "maybe"], [1, 0, "maybe"], ["1.0", "0.0", "maybe"], ["TRUE", "false", "maybe"]):
        opened = task.opened(asked, column="y")
        assert opened.width == 3
        assert opened.encode(asked, column="y").tolist() == [1, 0, 2]


def test_two_numbers_that_are_no_flags_know_no_true() -> None:
    assert Classification.fit([1, 2] * 3, column="y").opened([True], column="y").width == 3
