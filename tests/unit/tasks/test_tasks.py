"""Tasks: what they claim, what they refuse, and that answers decode to what the table held."""

import numpy as np
import pytest
import torch

from consilience.core.errors import DataError
from consilience.tasks import TASKS
from consilience.tasks.classification import Classification
from consilience.tasks.regression import Regression


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
