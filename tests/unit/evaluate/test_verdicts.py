"""What is said of an input follows from its numbers; what is said of the confidence, from the bins."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.evaluate import verdicts
from consilience.evaluate.calibration import reliability


def told(value, low, high):
    return {"value": value, "ci95": [low, high]}


GAIN = told(0.5, 0.45, 0.55)
NOTHING_ALONE, MUCH_ALONE = told(0.0, -0.05, 0.05), told(0.3, 0.2, 0.4)


@pytest.mark.parametrize(
    ("permuted", "alone", "retrained", "want"),
    [
        (told(0.2, 0.15, 0.25), MUCH_ALONE, None, "earns"),
        (told(0.2, 0.15, 0.25), NOTHING_ALONE, None, "earns"),  # of use only beside the others
        (told(0.002, -0.01, 0.012), MUCH_ALONE, None, "does_not"),
        (told(0.004, 0.001, 0.01), MUCH_ALONE, None, "does_not"),  # surely something, surely little
        (told(0.01, -0.03, 0.06), NOTHING_ALONE, None, "does_not"),  # no sign of use at all
        (told(0.01, -0.03, 0.06), MUCH_ALONE, None, "unclear"),
        (told(0.0, -0.2, 0.2), NOTHING_ALONE, None, "unclear"),  # far too few rows
        (told(0.2, 0.15, 0.25), MUCH_ALONE, told(0.0, -0.01, 0.01), "does_not"),  # the others say the same
        (told(0.2, 0.15, 0.25), MUCH_ALONE, told(0.02, -0.01, 0.05), "earns"),
        (told(0.02, -0.01, 0.06), MUCH_ALONE, told(0.06, 0.02, 0.1), "earns"),
        (told(-0.05, -0.08, -0.02), MUCH_ALONE, None, "harms"),
        (told(-0.005, -0.008, -0.002), MUCH_ALONE, None, "does_not"),  # too little to be called harm
        (told(0.05, 0.02, 0.08), MUCH_ALONE, told(-0.1, -0.15, -0.05), "harms"),
    ],
)
def test_verdicts(permuted, alone, retrained, want):
    verdict, key = verdicts.judge(used=True, rows=100, gain=GAIN, permuted=permuted, alone=alone, retrained=retrained)
    assert verdict == want
    assert key in verdicts.SENTENCES


@pytest.mark.parametrize(
    ("permuted", "want"),
    [
        (told(0.2, 0.15, 0.25), "earns"),
        (told(0.0, 0.0, 0.0), "unclear"),  # no row of five changed: that is not nothing
        (told(-0.2, -0.3, -0.1), "unclear"),
    ],
)
def test_of_a_few_rows_only_what_is_seen_is_said(permuted, want):
    given = {"used": True, "gain": GAIN, "permuted": permuted, "alone": NOTHING_ALONE}
    assert verdicts.judge(rows=5, **given, retrained=told(0.0, 0.0, 0.0))[0] == want
    bins = reliability(np.array([0.99, 0.98]), np.array([True, True]))
    assert verdicts.calibration(bins, seed=0)["says"] == "few"


def test_a_model_that_learned_nothing_tells_nothing():
    for gain in (told(0.02, -0.01, 0.05), told(-0.1, -0.2, 0.0), {"value": None, "ci95": None}):
        found = verdicts.judge(used=True, rows=100, gain=gain, permuted=told(0, 0, 0), alone=None, retrained=None)
        assert found == ("unclear", "unclear_model")


def test_what_the_model_does_not_look_at():
    def judged(alone):
        return verdicts.judge(used=False, rows=100, gain=GAIN, permuted=None, alone=alone, retrained=None)[0]

    assert judged(None) == judged(NOTHING_ALONE) == "unused"
    assert judged(MUCH_ALONE) == "unclear"


def stated(share_right, seed, rows=2000):
    """Bins of a model that states `confidence` and is right on share_right(confidence)."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.4, 0.95, rows)
    return reliability(confidence, rng.random(rows) < share_right(confidence))


def test_calibrated_models_are_believed():
    said = [verdicts.calibration(stated(lambda c: c, seed), seed=0)["says"] for seed in range(20)]
    assert said.count("calibrated") >= 18


def test_few_rows_are_no_proof_of_trust():
    said = [verdicts.calibration(stated(lambda c: c, seed, rows=60), seed=0)["says"] for seed in range(20)]
    assert said.count("few") >= 18


@pytest.mark.parametrize(
    ("share", "says"),
    [
        (lambda c: c - 0.15, "too sure"),
        (lambda c: np.minimum(1, c + 0.1), "not sure enough"),
        (lambda c: np.where(c > 0.675, c - 0.2, c + 0.2), "uneven"),
    ],
)
def test_the_others_are_not(share, says):
    assert verdicts.calibration(stated(share, 0), seed=0)["says"] == says


def test_no_bins_no_word():
    assert verdicts.calibration((), seed=0) is None


@pytest.mark.parametrize(
    ("used", "gain", "permuted", "alone", "want"),
    [
        (True, GAIN, told(0.0, -0.2, 0.2), NOTHING_ALONE, "does_not"),
        (True, told(0.02, -0.01, 0.05), told(0.0, -0.2, 0.2), None, "does_not"),
        (False, GAIN, None, NOTHING_ALONE, "unused"),
        (True, GAIN, told(0.2, 0.1, 0.3), NOTHING_ALONE, "earns"),
        (False, GAIN, None, MUCH_ALONE, "unclear"),
    ],
)
def test_an_id_is_of_no_use_where_no_use_shows(used, gain, permuted, alone, want):
    asked = {"used": used, "rows": 45, "gain": gain, "permuted": permuted, "alone": alone, "retrained": None}
    assert verdicts.judge(**asked, is_id=True)[0] == want


def test_beside_a_leak_what_tells_nothing_alone_is_still_of_no_use():
    assert verdicts.tells_nothing(NOTHING_ALONE, GAIN)
    assert not verdicts.tells_nothing(told(0.0, -0.2, 0.2), GAIN)
    assert not verdicts.tells_nothing(MUCH_ALONE, GAIN)
    assert not verdicts.tells_nothing(None, GAIN)


def test_a_loss_that_is_a_gain_is_not_said_to_be_a_loss():
    given = {"used": True, "rows": 100, "gain": GAIN, "permuted": told(0.2, 0.15, 0.25), "alone": MUCH_ALONE}
    assert verdicts.judge(**given, retrained=told(-0.01, -0.02, 0.01))[1] == "redundant_at_all"
    assert verdicts.judge(**given, retrained=told(0.005, -0.02, 0.01))[1] == "redundant"
