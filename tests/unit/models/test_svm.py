"""Svm: the margins scikit-learn finds, probabilities that mean something, a loss that bears outliers."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners.kernel_svm import KernelSvm
from consilience.models.learners.linear import Linear
from consilience.models.learners.margins import Insensitive, calibrate
from consilience.models.learners.rows import hold_out
from consilience.models.learners.svm import Svm

FOREVER = float("inf")


def make_block(matrix, index=None, present=None):
    matrix = np.asarray(matrix, np.float32)
    present = np.ones(len(matrix), bool) if present is None else present
    features = Features(matrix=matrix, present=present, names=tuple(map(str, range(matrix.shape[1]))))
    return Block(features=features, index=np.arange(len(matrix)) if index is None else index)


def make_rows(rows=600, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, 5))
    target = (matrix[:, :3] + noise * rng.normal(size=(rows, 3))).argmax(1)
    return matrix, target


def make_goal(target, width=3, discrete=True):
    return Goal(target=target, width=width, discrete=discrete, weights=np.ones(len(target)))


def fit(matrix, goal, **config):
    return Svm.fit(Svm.Config(**config), {"x": make_block(matrix)}, goal, seed=0, seconds=FOREVER)


def test_decides_as_the_support_vector_machine_of_scikit_learn():
    matrix, target = make_rows()
    scaled = (matrix - matrix.mean(0)) / matrix.std(0)
    covariance = np.cov(scaled.T, bias=True)
    scaled *= np.sqrt(np.trace(covariance) / (covariance**2).sum())  # rows as long as there are directions
    # There the intercept is a weight like the others; a large constant column makes it as good as free.
    theirs = (
        LinearSVC(C=1.0, intercept_scaling=1000, dual=False, tol=1e-8).fit(scaled, target).decision_function(scaled)
    )
    model = fit(matrix, make_goal(target), C=1.0, tol=1e-14)._model
    np.testing.assert_allclose(model.scores({"x": make_block(matrix)}), theirs, atol=0.01)


def test_probabilities_are_calibrated():
    matrix, target = make_rows(rows=3000, noise=0.7)
    answers = fit(matrix[:2000], make_goal(target[:2000])).predict({"x": make_block(matrix)})[2000:]
    sure, right = answers.max(1), answers.argmax(1) == target[2000:]
    assert abs(sure.mean() - right.mean()) < 0.04
    # As good as or better than saying how often the surest class is right, or the frequencies.
    assert -np.log(answers[np.arange(1000), target[2000:]]).mean() < 0.85 * np.log(3)


def test_noise_gets_no_confidence():
    matrix, _ = make_rows()
    target = np.random.default_rng(9).integers(0, 3, len(matrix))
    assert fit(matrix, make_goal(target)).predict({"x": make_block(matrix)}).max() < 0.6


def test_few_rows_to_calibrate_on_leave_the_slope_near_the_default():
    slope, offset = calibrate(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0))
    assert slope.tolist() == [3.0]
    assert offset.tolist() == [0, 0, 0]


def test_rows_of_one_cell_are_held_out_together():
    index = np.repeat(np.arange(20), 3)
    few = make_block(np.zeros((2, 1)), np.tile([0, 1], 30))
    many = make_block(np.zeros((21, 1)), np.where(np.arange(60) < 9, 20, index), np.arange(21) < 20)
    same = make_goal(np.zeros(60, int))
    held = hold_out({"few": few, "many": many}, same, 0.25, 0)
    assert 5 < held.sum() < 30
    assert all(len(set(held[(index == cell) & (np.arange(60) >= 9)])) == 1 for cell in range(3, 20))
    assert len({tuple(hold_out({"few": few, "many": many}, same, 0.25, seed)) for seed in range(8)}) > 1
    missing = hold_out({"many": make_block(np.zeros((1, 1)), np.zeros(60, int), np.zeros(1, bool))}, same, 0.25, 0)
    assert missing.sum() == 15  # rows without a cell are not taken for companions
    groups = np.where(np.arange(60) < 10, -1, np.arange(60) // 10)  # known groups come before cells
    held = hold_out({"few": few, "many": many}, replace(same, groups=groups), 0.25, 0)
    assert all(len(set(held[groups == group])) == 1 for group in range(1, 6))
    assert not all(len(set(held[index == cell])) == 1 for cell in range(4))
    order = np.random.default_rng(0).permutation(60)  # nor does it matter how groups are called
    blocks = {"few": few.take(order), "many": many.take(order)}
    turned = hold_out(blocks, replace(same, groups=np.where(groups < 0, -1, 9 - groups)[order]), 0.25, 0)
    assert (turned == held[order])[order >= 10].all()  # of the others, some are alike in all they have
    alone = replace(same, groups=np.arange(60))  # a group of one row says nothing of cells
    both = (hold_out({"few": few, "many": many}, goal, 0.25, 0) for goal in (same, alone))
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("learner", [Svm, KernelSvm, Linear])
def test_rows_without_a_cell_are_answered_with_their_frequencies(learner):
    """They are many and all alike. Once, all those of one class were held out together, and rare classes won."""
    rng = np.random.default_rng(0)
    target = rng.choice(3, 900, p=[0.6, 0.3, 0.1])
    index = np.where(rng.random(900) < 0.5, 0, rng.integers(1, 200, 900))
    block = make_block(np.concatenate([np.zeros((1, 4)), rng.normal(size=(199, 4))]), index, np.arange(200) > 0)
    frequencies = np.bincount(target[index == 0]) / (index == 0).sum()
    for seed in range(5):
        model = learner.fit(learner.Config(), {"x": block}, make_goal(target), seed=seed, seconds=60.0)
        np.testing.assert_allclose(model.predict({"x": block})[index == 0][0], frequencies, atol=0.1)


def test_something_is_always_left_to_train_on():
    assert not hold_out(
        {"x": make_block(np.zeros((1, 1)), np.zeros(4, int))}, make_goal(np.zeros(4, int)), 0.9, 0
    ).any()


def test_numbers_bear_outliers():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(300, 2))
    target = 50 + 10 * matrix[:, 0] + rng.normal(size=300)
    spoiled = target.copy()
    spoiled[:15] += 400
    answers = fit(matrix, make_goal(spoiled, 1, False), C=100.0).predict({"x": make_block(matrix)})[:, 0]
    squares = np.polynomial.polynomial.polyfit(matrix[:, 0], spoiled, 1)
    plain = np.polynomial.polynomial.polyval(matrix[:, 0], squares)
    assert np.abs(answers - target)[15:].mean() < 0.6 * np.abs(plain - target)[15:].mean()


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_the_slope_of_the_loss_is_its_derivative(epsilon):
    loss = Insensitive(np.zeros(9), epsilon)
    scores = np.array([-3.0, -1.2, -0.5, -0.1, 0.05, 0.25, 0.7, 1.1, 2.0])[:, None]
    (up, _), (down, _), (_, slope) = loss(scores + 1e-6), loss(scores - 1e-6), loss(scores)
    np.testing.assert_allclose(slope[:, 0], (up - down) / 2e-6, atol=1e-5)
    assert (loss(np.array([[epsilon]]))[0] == 0).all()


@pytest.mark.parametrize("settings", [{"C": 0.01}, {"holdout": 0.5}, {"max_iter": 1}])
def test_every_setting_counts_for_classes(settings):
    matrix, target = make_rows()
    plain, changed = (fit(matrix, make_goal(target), **s).predict({"x": make_block(matrix)}) for s in ({}, settings))
    assert not np.allclose(plain, changed)


def test_epsilon_counts_for_numbers():
    matrix, target = make_rows()
    goal = make_goal(target * 1.0, 1, False)
    plain, changed = (fit(matrix, goal, **s).predict({"x": make_block(matrix)}) for s in ({}, {"epsilon": 0.9}))
    assert not np.allclose(plain, changed)


def test_another_seed_holds_out_other_rows():
    matrix, target = make_rows()
    blocks = {"x": make_block(matrix)}
    one, two = (Svm.fit(Svm.Config(), blocks, make_goal(target), seed=s, seconds=FOREVER) for s in (0, 1))
    assert not np.array_equal(one.predict(blocks), two.predict(blocks))
