"""Tasks: what they claim, what they refuse, and that answers decode to what the table held."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest
import torch

from consilience.core.errors import DataError
from consilience.tasks import TASKS
from consilience.tasks.cells import clean
from consilience.tasks.classification import Classification
from consilience.tasks.regression import Regression
from consilience.workflows.targets import unseen


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["a", "b"] * 5, "classification"),
        (["yes", "1", "2"] * 5, "classification"),
        ([True, False] * 5, "classification"),
        ([0, 1] * 50, "classification"),
        ([1.0, 2.0, 3.0] * 50, "classification"),
        ([float(i) / 7 for i in range(50)], "regression"),
        (list(range(100)), "regression"),
        (["3.5", "4", "1e3"] * 5, "regression"),
        ([("a", "b"), ("a",), ()] * 5, "multilabel"),
        (['["a", "b"]', "[]", '["b"]'] * 5, "multilabel"),
        (["a;b", "a", "b;c;a", "c", "b"] * 5, "multilabel"),
        (["a|b", "a", "b|c|a", "c", "b"] * 5, "multilabel"),
        (["Paris, France", "Rome, Italy"] * 5, "classification"),  # commas are part of too many names
        (["and/or; sometimes", "never"] * 5, "classification"),  # a sign that parts nothing that comes back
    ],
)
def test_the_first_claim_is_what_a_person_expects(cells, kind) -> None:
    assert next(k for k in TASKS if TASKS.load(k).claims(cells)) == kind


def test_labels_keep_their_type_and_whole_floats_are_whole() -> None:
    task = Classification.fit([2.0, 1.0, 2.0], column="y")
    assert task.labels == (1, 2)
    assert task.decode(np.array([[0.9, 0.1], [0.2, 0.8]])) == [1, 2]


@pytest.mark.parametrize(
    ("trained", "asked"),
    [
        ([0, 1], ["0", "1"]),
        (["0", "1"], [0, 1]),
        (["0", "1"], [0.0, 1.0]),
        (["0", "1"], ["0.0", "1.00"]),
        (["0.0", "1.0"], ["0", "+1"]),
        (["-1", "0.5"], [-1, 0.5]),
        ([False, True], ["False", "true"]),
        (["FALSE", "TRUE"], [False, True]),
        ([False, True], [0, 1]),  # a flag
        ([0, 1], [False, True]),
        (["0", "1"], [False, True]),
        (["false", "true"], ["0", "1.0"]),
        (["2024-01-01", "2024-05-01"], [date(2024, 1, 1), datetime(2024, 5, 1)]),
        ([Decimal("1"), Decimal("2.5")], ["1.0", 2.5]),
        ([Decimal("1E30"), Decimal("1.10")], [10**30, "1.1"]),
    ],
)
def test_another_format_of_table_writes_the_same_labels_in_another_way(trained, asked) -> None:
    task = Classification.fit(trained * 3, column="y")
    assert task.opened(asked, column="y") is task
    assert task.encode(asked, column="y").tolist() == task.encode(trained, column="y").tolist()
    assert sorted(map(repr, task.decode(np.eye(task.width)))) == sorted(map(repr, map(clean, trained)))


@pytest.mark.parametrize("kind", ["multilabel", "ordinal"])
def test_other_tasks_know_labels_of_other_formats_too(kind) -> None:
    def cells(*labels):
        return [[label] for label in labels] if kind == "multilabel" else list(labels)

    task = TASKS.load(kind).fit(cells("1", "2", "3"), column="y")
    for asked in (cells(1, 2, 3), cells(1.0, 2.0, 3.0), cells("1.0", "2.0", "+3")):
        assert task.opened(asked, column="y") is task
        np.testing.assert_array_equal(task.encode(asked, column="y"), task.encode(cells("1", "2", "3"), column="y"))


def test_one_whole_number_written_in_two_ways_is_one_class() -> None:
    task = Classification.fit(["1", "1.0", "2.00", "2", "1.5", "01"] * 3, column="y")
    assert task.labels == ("01", "1", "1.5", "2")
    assert task.encode(["1.0", "2.00", "01"], column="y").tolist() == [1, 3, 0]


def test_flags_of_one_column_may_be_written_either_way_but_three_classes_are_no_flags() -> None:
    assert Classification.fit([True, 1, False, 0] * 2, column="y").width == 2
    task = Classification.fit(["0", "1", "2"] * 2, column="y")
    assert unseen(task, task.opened([True], column="y")) == ["True"]


def test_ranks_have_one_text_each() -> None:
    task = TASKS.load("ordinal").fit([1, 2, "1", "2", 3], column="y")
    assert task.encode([1, "1", 2, "2.0", 3], column="y").tolist() == [0, 0, 1, 1, 2]


def test_new_labels_are_named() -> None:
    known = Classification.fit(["a", "b"], column="y")
    opened = known.opened(["b", "c", 3], column="y")
    assert unseen(known, opened) == ["c", "3"]


def test_bytes_are_no_label() -> None:
    with pytest.raises(DataError, match="row 2: bytes is no label"):
        Classification.fit(["a", b"a", "b"], column="y")


def test_white_space_is_no_label() -> None:
    task = Classification.fit(["a", "b "], column="y")
    assert task.encode([" a", "b"], column="y").tolist() == [0, 1]


def test_an_opened_task_counts_new_labels_from_k() -> None:
    task = Classification.fit(["a", "b"], column="y")
    cells = ["b", "new", "a", "newer", "new"]
    opened = task.opened(cells, column="y")
    target = opened.encode(cells, column="y")
    assert target.tolist() == [1, 2, 0, 3, 2]
    assert opened.names == ("a", "b", "new", "newer")
    assert [part.tolist() for part in task.closed(target, opened)] == [[0, 2], [1, 0]]
    assert opened.widen(np.array([[0.3, 0.7]]), task).tolist() == [[0.3, 0.7, 0.0, 0.0]]


@pytest.mark.parametrize("cells", [["a"] * 9, []])
def test_one_class_is_refused(cells) -> None:
    with pytest.raises(DataError, match="nothing to learn"):
        Classification.fit(cells, column="y")


def test_an_id_is_refused() -> None:
    with pytest.raises(DataError, match="distinct labels"):
        Classification.fit([f"id{i}" for i in range(2000)], column="y")


def test_an_unknown_label_names_row_and_value() -> None:
    with pytest.raises(DataError, match=r"row 2: the label 'z'"):
        Classification.fit(["a", "b"], column="y").encode(["a", "z"], column="y")


@pytest.mark.parametrize("bad", ["x", "nan", "inf", float("nan"), None, True])
def test_what_is_no_number_names_the_row(bad) -> None:
    with pytest.raises(DataError, match=r"row 2: .* is not a finite number"):
        Regression.fit([1.0, bad, 3.0], column="y")


def test_a_constant_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to learn"):
        Regression.fit([4.0] * 5, column="y")


def test_focal_loss_is_its_formula() -> None:
    task = Classification(["a", "b", "c"])
    torch.manual_seed(0)
    scores, target, weights = torch.randn(20, 3), torch.randint(0, 3, (20,)), torch.tensor([0.5, 1.0, 3.0])
    p = scores.softmax(1)[torch.arange(20), target]
    share = weights[target] / weights[target].sum()
    for gamma in (0.5, 1.0, 2.0):
        found = task.loss(scores, target, class_weights=weights, focal_gamma=gamma)
        torch.testing.assert_close(found, (share * (1 - p) ** gamma * -p.log()).sum())
    smoothed = task.loss(scores, target, label_smoothing=0.2)
    torch.testing.assert_close(task.loss(scores, target, label_smoothing=0.2, focal_gamma=1e-9), smoothed)


def test_focal_loss_is_finite_where_the_answer_is_certain() -> None:
    scores = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    for gamma in (0.5, 2.0):
        loss = Classification(["a", "b"]).loss(scores, torch.tensor([0, 0]), focal_gamma=gamma)
        (slope,) = torch.autograd.grad(loss, scores)
        assert torch.isfinite(loss)
        assert torch.isfinite(slope).all()
