"""Every classification number against scikit-learn, or against its definition written out where it has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from consilience.core.errors import DataError
from consilience.evaluate import METRICS, point, score

SKLEARN_AVERAGES = ("macro", "weighted")


def planted(seed: int, *, rows: int = 200, classes: int = 4, coarse: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.choice(classes, rows, p=rng.dirichlet(np.ones(classes)))
    logits = rng.normal(size=(rows, classes))
    logits[np.arange(rows), target] += rng.uniform(0, 2)
    if coarse:
        logits = logits.round()  # many ties
    powers = np.exp(logits)
    return powers / powers.sum(1, keepdims=True), target


def naive_ece(answers: np.ndarray, target: np.ndarray) -> float:
    confidence, right = answers.max(1), answers.argmax(1) == target
    bins = np.searchsorted(np.quantile(confidence, np.arange(1, 15) / 15), confidence)
    return sum(abs((confidence - right)[bins == b].sum()) for b in range(15)) / len(target)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 120), st.integers(2, 7), st.booleans())
def test_every_metric_is_scikit_learns(seed: int, rows: int, classes: int, coarse: bool) -> None:
    answers, target = planted(seed, rows=rows, classes=classes, coarse=coarse)
    got, predicted, present = point("classification", answers, target), answers.argmax(1), np.unique(target)
    assert got["accuracy"] == pytest.approx(sk.accuracy_score(target, predicted))
    recalls = sk.recall_score(target, predicted, labels=present, average=None, zero_division=0)
    assert got["balanced_accuracy"] == pytest.approx(recalls.mean())
    for name, function in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        for average in SKLEARN_AVERAGES:
            expected = function(target, predicted, labels=present, average=average, zero_division=0)
            assert got[f"{name}_{average}"] == pytest.approx(expected), (name, average)
        assert got[f"{name}_micro"] == pytest.approx(function(target, predicted, average="micro"))
    expected = sk.log_loss(target, answers, labels=range(classes))
    assert got["log_loss"] == pytest.approx(expected)
    assert got["calibration_error"] == pytest.approx(naive_ece(answers, target))
    both = [k for k in ((1,) if classes == 2 else range(classes)) if 0 < (target == k).sum() < rows]
    if both:
        assert got["auroc"] == pytest.approx(np.mean([sk.roc_auc_score(target == k, answers[:, k]) for k in both]))
    else:
        assert got["auroc"] is None
    some = [k for k in ((1,) if classes == 2 else range(classes)) if (target == k).any()]
    areas = [sk.average_precision_score(target == k, answers[:, k]) for k in some]
    assert got["average_precision"] == (pytest.approx(np.mean(areas)) if some else None)


def test_balanced_accuracy_is_scikit_learns_own_function() -> None:
    answers, target = planted(3)
    expected = sk.balanced_accuracy_score(target, answers.argmax(1))
    assert point("classification", answers, target)["balanced_accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 5])
def test_auroc_is_scikit_learns_own_multiclass_average(classes: int) -> None:
    answers, target = planted(4, classes=classes, rows=400)
    scores = answers[:, 1] if classes == 2 else answers
    expected = sk.roc_auc_score(target, scores, multi_class="ovr", average="macro")
    assert point("classification", answers, target)["auroc"] == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(2, 5), st.booleans())
def test_weights_mean_repeated_rows(seed: int, rows: int, classes: int, coarse: bool) -> None:
    """A row of weight 3 counts like three rows, for all weightings at once; calibration bins aside (they stay)."""
    answers, target = planted(seed, rows=rows, classes=classes, coarse=coarse)
    weights = np.random.default_rng(seed).integers(0, 4, (rows, 5)).astype(float)
    weights[0] += 1
    got = METRICS.load("classification")(answers, target).values(weights)
    for r in range(5):
        repeated = np.repeat(np.arange(rows), weights[:, r].astype(int))
        expected = point("classification", answers[repeated], target[repeated])
        for name, value in expected.items():
            if name != "calibration_error":
                assert got[name][r] == pytest.approx(np.nan if value is None else value, nan_ok=True), name


def test_weighted_numbers_are_scikit_learns_with_sample_weight() -> None:
    answers, target = planted(8, rows=300, classes=3)
    weights = np.random.default_rng(1).integers(0, 5, 300)
    got = METRICS.load("classification")(answers, target).values(weights[:, None].astype(float))
    predicted = answers.argmax(1)
    assert got["accuracy"][0] == pytest.approx(sk.accuracy_score(target, predicted, sample_weight=weights))
    assert got["f1_macro"][0] == pytest.approx(sk.f1_score(target, predicted, average="macro", sample_weight=weights))
    assert got["log_loss"][0] == pytest.approx(sk.log_loss(target, answers, sample_weight=weights))
    each = [sk.roc_auc_score(target == k, answers[:, k], sample_weight=weights) for k in range(3)]
    assert got["auroc"][0] == pytest.approx(np.mean(each))


def test_a_class_that_never_occurs_is_left_out_of_the_averages_but_its_guesses_still_cost() -> None:
    answers = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.9, 0.1, 0.0]])
    target = np.array([0, 1, 0, 0])  # class 2 is predicted once and never occurs
    got = point("classification", answers, target)
    assert got["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert got["precision_macro"] == pytest.approx(1.0)
    assert got["accuracy"] == got["precision_micro"] == 0.75


def test_log_loss_is_clipped_at_1e_15() -> None:
    answers, target = np.array([[1.0, 0.0]]), np.array([1])
    assert point("classification", answers, target)["log_loss"] == pytest.approx(-np.log(1e-15))


def test_undefined_is_none_and_never_nan() -> None:
    one_class = score("classification", np.array([[0.3, 0.7], [0.6, 0.4]]), np.array([1, 1]), names=("a", "b"))
    assert one_class["auroc"] == {"value": None, "ci95": None}
    assert one_class["details"]["per_class"][0]["auroc"] is None
    nothing = score("classification", np.zeros((0, 2)), np.zeros(0, int), names=("a", "b"))
    assert all(v == {"value": None, "ci95": None} for k, v in nothing.items() if k != "details")
    assert nothing["details"]["reliability"] == []


def test_details_are_scikit_learns() -> None:
    answers, target = planted(5, rows=500, classes=4)
    names = ("α", "b", "c", "d")
    details, predicted = score("classification", answers, target, names=names)["details"], answers.argmax(1)
    assert np.array_equal(details["confusion"], sk.confusion_matrix(target, predicted, labels=range(4)))
    expected = sk.precision_recall_fscore_support(target, predicted, labels=range(4), zero_division=0)
    for k, row in enumerate(details["per_class"]):
        assert row["class"] == names[k]
        given_row = [row["precision"], row["recall"], row["f1"], row["support"]]
        assert given_row == pytest.approx([column[k] for column in expected])
        assert row["auroc"] == pytest.approx(sk.roc_auc_score(target == k, answers[:, k]))
    true, stated = calibration_curve(predicted == target, answers.max(1), n_bins=15, strategy="quantile")
    assert [b["accuracy"] for b in details["reliability"]] == pytest.approx(true)
    assert [b["confidence"] for b in details["reliability"]] == pytest.approx(stated)
    assert sum(b["rows"] for b in details["reliability"]) == 500


def test_the_largest_mistakes_come_first() -> None:
    target = np.array([0, 0, 0, 1, 2, 2])
    predicted = np.array([1, 1, 0, 2, 1, 2])
    details = score("classification", np.eye(3)[predicted], target, names=("a", "b", "c"), resamples=0)["details"]
    assert details["confused"] == [["a", "b", 2], ["b", "c", 1], ["c", "b", 1]]


def test_many_classes_give_pairs_instead_of_a_matrix() -> None:
    answers, target = planted(2, rows=300, classes=120)
    details = score("classification", answers, target, names=[str(k) for k in range(120)], resamples=0)["details"]
    assert details["confusion"] is None
    assert len(details["confused"]) == 20


@pytest.mark.parametrize(
    ("answers", "target", "says"),
    [
        (np.full((2, 2), 0.5), np.zeros(3, int), "shape"),
        (np.full((2, 2), 0.5), np.array([0, 2]), "from 0 to 1"),
        (np.full((2, 2), 0.5), np.array([0, -1]), "from 0 to 1"),
        (np.full((2, 2), 0.5), np.array([0.0, 1.0]), "class numbers"),
        (np.array([[0.5, 0.5], [np.nan, 1]]), np.array([0, 1]), "1 of 2 rows"),
    ],
)
def test_what_cannot_be_compared_is_refused(answers: np.ndarray, target: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        point("classification", answers, target)
    with pytest.raises(DataError, match=says):
        score("classification", answers, target, names=("a", "b"))
