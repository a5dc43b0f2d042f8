"""Paired comparisons: as `score` says, indifferent to row order, and sharper than two intervals side by side."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.evaluate import score
from consilience.evaluate.paired import Judge, difference

NAMES = ("a", "b", "c")


def answers(target, right, seed):
    """Probabilities that are right on about `right` of the rows."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(len(target)) < right, target, rng.integers(0, 3, len(target)))
    return 0.1 + 0.7 * np.eye(3)[said]


@pytest.fixture
def rows():
    target = np.random.default_rng(0).integers(0, 3, 300)
    return target, answers(target, 0.7, 1)


def test_it_agrees_with_score(rows):
    target, ours = rows
    judge = Judge("classification", "accuracy", ours, target, seed=3)
    want = score("classification", ours, target, names=NAMES, seed=3)["accuracy"]
    told = judge.told(judge.scores(ours))
    assert told["value"] == pytest.approx(want["value"])
    assert told["ci95"] == pytest.approx(want["ci95"])


def test_lower_is_better_is_told_as_it_is_and_compared_as_greater(rows):
    target, ours = rows
    judge = Judge("classification", "log_loss", ours, target)
    good, bad = judge.scores(ours), judge.scores(np.full((300, 3), 1 / 3))
    assert judge.told(good)["value"] < judge.told(bad)["value"]
    assert difference(good - bad)["value"] > 0


def test_row_order_plays_no_role(rows):
    target, ours = rows
    theirs, order = answers(target, 0.6, 2), np.random.default_rng(5).permutation(300)
    one = Judge("classification", "accuracy", ours, target)
    two = Judge("classification", "accuracy", ours[order], target[order])
    gain = difference(one.scores(ours) - one.scores(theirs))
    again = difference(two.scores(ours[order]) - two.scores(theirs[order]))
    assert again["value"] == pytest.approx(gain["value"])
    assert np.abs(np.array(again["ci95"]) - gain["ci95"]).max() < 0.03  # rows that agree in all may swap


def test_what_is_common_cancels(rows):
    """A model that differs on ten rows, all for the worse: two intervals overlap by far, the paired one is sure."""
    target, ours = rows
    theirs = ours.copy()
    wrong = np.flatnonzero(ours.argmax(1) == target)[:10]
    theirs[wrong] = 0.1 + 0.7 * np.eye(3)[(target[wrong] + 1) % 3]
    judge = Judge("classification", "accuracy", ours, target)
    a, b = judge.scores(ours), judge.scores(theirs)
    assert judge.told(a)["ci95"][0] < judge.told(b)["ci95"][1]
    gain = difference(a - b)
    assert gain["value"] == pytest.approx(10 / 300)
    assert gain["ci95"][0] > 0


def test_no_change_is_surely_none(rows):
    target, ours = rows
    judge = Judge("classification", "accuracy", ours, target)
    assert difference(judge.scores(ours) - judge.scores(ours)) == {"value": 0.0, "ci95": [0.0, 0.0]}
