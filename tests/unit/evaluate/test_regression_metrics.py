"""Every regression number against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from consilience.core.errors import DataError
from consilience.evaluate import METRICS, point, score


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 100), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_every_metric_is_scikit_learns(seed: int, rows: int, offset: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    target = rng.normal(offset, scale, rows)
    answers = target + rng.normal(0, scale, rows)
    got = point("regression", answers[:, None], target)
    assert got["mae"] == pytest.approx(sk.mean_absolute_error(target, answers))
    assert got["rmse"] == pytest.approx(sk.root_mean_squared_error(target, answers))
    assert got["r2"] == pytest.approx(sk.r2_score(target, answers), rel=1e-6, abs=1e-6)


def test_weighted_numbers_are_scikit_learns_with_sample_weight() -> None:
    rng = np.random.default_rng(0)
    target, weights = rng.normal(size=80), rng.integers(0, 4, (80, 3)).astype(float)
    answers = target + rng.normal(size=80)
    got = METRICS.load("regression")(answers[:, None], target).values(weights)
    for r in range(3):
        w = weights[:, r]
        assert got["mae"][r] == pytest.approx(sk.mean_absolute_error(target, answers, sample_weight=w))
        assert got["rmse"][r] == pytest.approx(sk.root_mean_squared_error(target, answers, sample_weight=w))
        assert got["r2"][r] == pytest.approx(sk.r2_score(target, answers, sample_weight=w))


def test_r2_of_a_constant_target_is_undefined() -> None:
    got = score("regression", np.array([[1.0], [2.0], [0.1]]), np.full(3, 0.1), names=("y",))
    assert got["r2"] == {"value": None, "ci95": None}
    assert got["mae"]["value"] == pytest.approx((0.9 + 1.9) / 3)


def test_overflow_is_null_and_not_a_warning() -> None:
    got = score("regression", np.array([[1e200], [0.0]]), np.array([-1e200, 1.0]), names=("y",))
    assert got["rmse"] == {"value": None, "ci95": None}
    assert got["mae"]["value"] == pytest.approx(1e200)


def test_no_rows_give_nulls() -> None:
    got = score("regression", np.zeros((0, 1)), np.zeros(0), names=("y",))
    assert all(v == {"value": None, "ci95": None} for k, v in got.items() if k != "details")


def test_details_count_every_row_once() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=300)
    answers = target + 1
    details = score("regression", answers[:, None], target, names=("price",))["details"]
    assert details["name"] == "price"
    assert sum(details["residuals"]["counts"]) == np.sum(details["scatter"]["counts"]) == 300
    assert details["residuals"]["mean"] == pytest.approx(1)
    assert details["residuals"]["quantiles"]["0.5"] == pytest.approx(1)
    counts = np.array(details["scatter"]["counts"])  # [true][predicted]: answers lie above the diagonal
    assert np.triu(counts, 1).sum() > 250
    assert np.tril(counts, -1).sum() == 0


@pytest.mark.parametrize(
    ("answers", "target", "says"),
    [
        (np.zeros((2, 2)), np.zeros(2), "2 answers a row"),
        (np.array([[0.0], [np.inf]]), np.zeros(2), "1 of 2 rows"),
        (np.zeros((2, 1)), np.array([0.0, np.nan]), "not a finite number"),
    ],
)
def test_what_cannot_be_compared_is_refused(answers: np.ndarray, target: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        point("regression", answers, target)
