"""ExtraTrees: our copy answers as scikit-learn's original does, whatever the clock, and its size is bounded."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from consilience.core.errors import ConsilienceError
from consilience.core.seeding import derive
from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners import extra_trees as module
from consilience.models.learners.extra_trees import ExtraTrees

FOREVER = float("inf")


def block_of(matrix):
    names = tuple(map(str, range(matrix.shape[1])))
    features = Features(matrix=np.asarray(matrix, np.float32), present=np.ones(len(matrix), bool), names=names)
    return {"x": Block(features=features, index=np.arange(len(matrix)))}


def make_rows(count=300, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    matrix = np.round(rng.normal(size=(count, 8)), 1).astype(np.float32)
    target = np.digitize(matrix[:, 0] + matrix[:, 1] * matrix[:, 2], [-1, -0.2, 0.3, 1]) % classes
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return matrix, target


def make_goal(target, classes=None, weights=None):
    weights = np.ones(len(target)) if weights is None else weights
    return Goal(target=target, width=classes or 1, discrete=classes is not None, weights=weights)


def fit(matrix, goal, *, seconds=FOREVER, **config):
    return ExtraTrees.fit(ExtraTrees.Config(**config), block_of(matrix), goal, seed=0, seconds=seconds)


@pytest.mark.parametrize("classes", [2, 5, None])
@pytest.mark.parametrize("weighted", [False, True])
def test_answers_as_scikit_learn_does(classes, weighted):
    matrix, target = make_rows(classes=classes or 5)
    target = target if classes else target * 10.0
    weights = np.random.default_rng(1).uniform(0.5, 2, 300) if weighted else np.ones(300)
    ours = fit(matrix, make_goal(target, classes, weights), trees=15)
    original = ExtraTreesClassifier if classes else ExtraTreesRegressor
    theirs = original(
        n_estimators=15, min_samples_leaf=2, max_leaf_nodes=1000, max_features="sqrt" if classes else 1 / 3,
        random_state=derive(0, "extra trees") % 2**32,
    ).fit(matrix, target, sample_weight=weights if weighted else None)  # fmt: skip
    fresh = make_rows(count=1500, seed=9)[0]
    fresh[:40] = np.nan
    want = theirs.predict_proba(fresh) if classes else theirs.predict(fresh)[:, None]
    np.testing.assert_allclose(ours.predict(block_of(fresh)), want, rtol=1e-12, atol=1e-12)


def test_a_clock_in_between_changes_nothing_but_the_number_of_trees():
    matrix, target = make_rows()
    goal = make_goal(target, 5)
    with_clock, without = (fit(matrix, goal, trees=9, seconds=s) for s in (1e6, FOREVER))
    assert np.array_equal(with_clock.predict(block_of(matrix)), without.predict(block_of(matrix)))
    assert fit(matrix, goal, trees=9, seconds=0.0).state().meta["iterations"] == 1


def test_a_copy_that_differs_is_refused(monkeypatch):
    right = module._copy

    def wrong(model):
        forest = right(model)
        forest.value[forest.left < 0] *= 1.01
        return forest

    monkeypatch.setattr(module, "_copy", wrong)
    matrix, target = make_rows()
    with pytest.raises(ConsilienceError, match=r"could not be copied.*extra_trees"):
        fit(matrix, make_goal(target, 5), trees=3)


def test_the_number_of_leaves_is_bounded():
    matrix, target = make_rows(count=600)
    arrays = fit(matrix, make_goal(target, 5), trees=7, max_leaf_nodes=12).state().arrays
    starts = arrays["forest.start"]
    leaves = [int((arrays["forest.left"][a:b] < 0).sum()) for a, b in pairwise(starts)]
    assert len(leaves) == 7
    assert max(leaves) <= 12


@pytest.mark.parametrize(
    "settings", [{"trees": 0}, {"min_samples_leaf": 0}, {"max_leaf_nodes": 1}, {"columns": 1.5}], ids=str
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        ExtraTrees.Config(**settings)
