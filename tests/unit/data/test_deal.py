"""Stratified dealing: classes keep their shares, also whole groups and numbers, and small classes reach every part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consilience.data.deal import _reach, _rounded
from consilience.data.split import split
from consilience.tasks import TASKS

SHARES = (0.7, 0.15, 0.15)


def counts(done, labels: np.ndarray) -> np.ndarray:
    """[K, 3] rows by class and part."""
    width = labels.max() + 1
    return np.stack(
        [np.bincount(labels[part], minlength=width) for part in (done.train, done.valid, done.test)], axis=1
    )


def away(done, labels: np.ndarray) -> float:
    """The largest distance of a class's share of a part from what it should be."""
    table = counts(done, labels)
    return float(np.abs(table / table.sum(1, keepdims=True) - SHARES).max())


def test_classes_keep_their_shares_and_without_labels_do_not() -> None:
    labels = np.repeat([0, 1, 2], [1600, 300, 100])
    with_labels = [away(split(2000, SHARES, seed, labels=labels), labels) for seed in range(10)]
    without = [away(split(2000, SHARES, seed), labels) for seed in range(10)]
    assert max(with_labels) <= 0.011
    assert min(without) > max(with_labels)


@pytest.mark.parametrize("groups", [40, 400])
def test_whole_groups_keep_the_shares_of_classes_as_near_as_can_be(groups: int) -> None:
    rng = np.random.default_rng(groups)
    group = np.sort(rng.integers(0, groups, 4000))
    leaning = rng.dirichlet([0.5, 0.3, 0.2], groups)  # every group has a mixture of its own
    labels = np.array([rng.choice(3, p=leaning[g]) for g in group])
    stratified = [away(split(4000, SHARES, seed, [group], labels=labels), labels) for seed in range(5)]
    plain = [away(split(4000, SHARES, seed, [group]), labels) for seed in range(5)]
    assert np.mean(stratified) < (0.8 if groups == 40 else 0.5) * np.mean(plain)
    assert max(stratified) < (0.07 if groups == 40 else 0.01)


def test_small_classes_reach_every_part_and_sizes_stay() -> None:
    labels = np.concatenate([np.repeat(np.arange(3), 300), np.repeat(np.arange(3, 23), 3), [23, 23, 24]])
    for seed in range(10):
        done = split(len(labels), SHARES, seed, labels=labels)
        table = counts(done, labels)
        assert (table[:23] > 0).all()
        assert table[24].tolist() == [1, 0, 0]  # seen once: for training
        assert table[23, 0] >= 1
        assert np.abs(table.sum(0) - np.array(SHARES) * len(labels)).max() <= 2


def test_numbers_are_kept_in_proportion_by_value() -> None:
    values = np.random.default_rng(0).lognormal(0, 2, 500)
    task = TASKS.load("regression").fit(values.tolist(), column="y")
    labels = task.strata(task.encode(values.tolist(), column="y"))
    means = [np.log(values[split(500, SHARES, seed, labels=labels).test]).mean() for seed in range(20)]
    chance = [np.log(values[split(500, SHARES, seed).test]).mean() for seed in range(20)]
    assert np.std(means) < 0.5 * np.std(chance)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12))
@example([(3, 0.125, 0.1875), (3, 0.1875, 0.1875), (1, 0.5, 0.5)])  # once 2 rows instead of 0.19
def test_rounding_keeps_both_sums(rows: list) -> None:
    number = np.array([n for n, *_ in rows])
    shares = np.array([[1 - max(a, b), abs(a - b), min(a, b)] for _, a, b in rows])
    wanted = shares / shares.sum(1, keepdims=True) * number[:, None]
    cells = _rounded(wanted, number)
    assert (cells.sum(1) == number).all()
    assert (cells >= 0).all()
    assert np.abs(cells.sum(0) - wanted.sum(0)).max() <= 1 + 1e-9
    before = cells.copy()
    _reach(cells, np.zeros_like(cells), np.array(SHARES), number)
    assert (cells.sum(1) == number).all()
    assert (cells.sum(0) == before.sum(0)).all()
    assert (cells >= 0).all()
    assert ((cells > 0) >= (before > 0)).all()  # nobody loses a part
