"""Reliability bins and temperature scaling."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.core.errors import DataError
from consilience.evaluate import point
from consilience.evaluate.calibration import equal_mass, reliability, rescale, temperature


def calibrated(rows: int = 20_000, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Answers that mean exactly what they say: targets are drawn from them."""
    rng = np.random.default_rng(0)
    powers = np.exp(2 * rng.normal(size=(rows, classes)))
    answers = powers / powers.sum(1, keepdims=True)
    return answers, (answers.cumsum(1) > rng.random((rows, 1))).argmax(1)


@pytest.mark.parametrize("planted", [0.3, 1.0, 1.7, 4.0])
def test_a_planted_temperature_is_found(planted: float) -> None:
    answers, target = calibrated()
    # Dividing by 1 / planted makes the answers too sure by that factor; `temperature` has to undo it.
    assert temperature(rescale(answers, 1 / planted), target) == pytest.approx(planted, rel=0.04)


def test_the_temperature_is_the_minimum_of_the_log_loss_and_keeps_the_classes() -> None:
    answers, target = calibrated(2_000)
    sharp = rescale(answers, 0.4)
    best = temperature(sharp, target)
    losses = [point("classification", rescale(sharp, t), target)["log_loss"] for t in (best * 0.97, best, best * 1.03)]
    assert losses[1] == min(losses)
    fixed = rescale(sharp, best)
    assert np.array_equal(fixed.argmax(1), sharp.argmax(1))
    before, after = (point("classification", a, target)["calibration_error"] for a in (sharp, fixed))
    assert after < before / 3


def test_extremes_stay_in_range() -> None:
    assert temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1.0
    assert temperature(np.array([[0.9, 0.1]]), np.array([0])) == 0.05  # never wrong: sharper is always better
    assert temperature(np.array([[1.0, 0.0]]), np.array([1])) == 20.0  # sure and wrong
    with pytest.raises(DataError, match="finite"):
        temperature(np.array([[np.nan, 1.0]]), np.array([0]))


def test_calibrated_answers_have_a_small_error_and_shuffled_ones_do_not() -> None:
    answers, target = calibrated()
    assert point("classification", answers, target)["calibration_error"] < 0.02  # noise alone is 0.01
    shuffled = np.random.default_rng(1).permutation(target)
    assert point("classification", answers, shuffled)["calibration_error"] > 0.3


def test_equal_confidences_stay_in_one_bin() -> None:
    confidence = np.array([0.5] * 70 + [0.6, 0.7, 0.8] * 10)
    order, starts = equal_mass(confidence)
    assert np.array_equal(np.sort(order), np.arange(100))
    bins = np.split(confidence[order], starts[1:])
    assert [len(np.unique(b)) for b in bins] == [1] * len(bins)
    assert len(bins) == 4


def test_bins_are_listed_with_what_they_hold() -> None:
    bins = reliability(np.linspace(0.2, 1, 150), np.arange(150) >= 75)
    assert len(bins) == 15
    assert [b["rows"] for b in bins] == [10] * 15
    assert bins[0]["from"] == pytest.approx(0.2)
    assert bins[-1]["to"] == 1.0
    assert bins[0]["accuracy"] == 0.0
    assert bins[-1]["accuracy"] == 1.0
    assert reliability(np.zeros(0), np.zeros(0, bool)) == []
