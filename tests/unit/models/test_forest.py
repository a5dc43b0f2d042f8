"""The forest: exact on hand-made trees, on random ones against a plain loop, and on what is no tree at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.core.errors import BundleError
from consilience.models.learners.forest import ROWS, Evaluator, Forest
from consilience.models.learners.grove import as_float32


def grow(rng, leaves, columns):
    """A random tree as lists of nodes: (column, threshold, missing_left, left, right, value)."""
    nodes = [[0, 0.0, False, -1, -1, rng.normal()]]
    while sum(n[3] < 0 for n in nodes) < leaves:
        parent = rng.choice([i for i, n in enumerate(nodes) if n[3] < 0])
        nodes[parent] = [
            rng.integers(columns),
            rng.integers(-2, 3) / 2,
            rng.random() < 0.5,
            len(nodes),
            len(nodes) + 1,
            0,
        ]
        nodes += [[0, 0.0, False, -1, -1, rng.normal()] for _ in range(2)]
    return nodes


def build(trees, baseline):
    flat = list(zip(*[node for tree in trees for node in tree], strict=True))
    kinds = (np.int32, np.float32, bool, np.int32, np.int32, np.float64)
    names = ("column", "threshold", "missing_left", "left", "right", "value")
    arrays = {n: np.array(c, k) for n, c, k in zip(names, flat, kinds, strict=True)}
    return Forest(**arrays, start=np.cumsum([0, *map(len, trees)]), baseline=np.array(baseline, np.float64))


def walk(trees, baseline, row):
    out = np.array(baseline, np.float64)
    for t, nodes in enumerate(trees):
        at = 0
        while nodes[at][3] >= 0:
            column, threshold, missing_left, left, right, _ = nodes[at]
            x = row[column]
            at = left if (missing_left if np.isnan(x) else x <= np.float32(threshold)) else right
        out[t % len(out)] += nodes[at][5]
    return out


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 5), st.integers(1, 90), st.integers(0, 2 * ROWS + 1))
def test_equals_a_walk_down_every_tree(seed, classes, rounds, leaves, count):
    rng = np.random.default_rng(seed)
    trees = [grow(rng, int(rng.integers(1, leaves + 1)), 4) for _ in range(classes * rounds)]
    baseline = rng.normal(size=classes)
    rows = (rng.integers(-4, 5, size=(count, 4)) / 2).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[rng.random(rows.shape) < 0.05] = np.inf
    rows[rng.random(rows.shape) < 0.05] = -np.inf
    answers = Evaluator(build(trees, baseline)).sum(rows)
    expected = np.array([walk(trees, baseline, row) for row in rows]).reshape(count, classes)
    assert np.array_equal(answers, expected)


def test_a_row_gets_the_same_bits_in_any_company():
    rng = np.random.default_rng(0)
    evaluator = Evaluator(build([grow(rng, 31, 4) for _ in range(30)], [0.1, 0.2, 0.3]))
    rows = rng.normal(size=(200, 4)).astype(np.float32)
    together = evaluator.sum(rows)
    for part in ([5], [199, 0], list(range(50, 180))):
        assert np.array_equal(evaluator.sum(rows[part]), together[part])


@pytest.mark.parametrize("count", [0, 1, ROWS])
def test_no_tree_is_the_baseline(count):
    empty = build([[[0, 0.0, False, -1, -1, 0.0]]], [0.0])
    forest = Forest(
        **{n: getattr(empty, n)[:0] for n in ("column", "threshold", "missing_left", "left", "right", "value")},
        start=np.zeros(1, np.int64),
        baseline=np.array([1.5, 2.5]),
    )
    assert np.array_equal(Evaluator(forest).sum(np.zeros((count, 3), np.float32)), np.tile([1.5, 2.5], (count, 1)))


@pytest.mark.parametrize(("left", "right"), [(0, 2), (2, 2), (1, 3), (1, -1)])
def test_damaged_trees_are_refused(left, right):
    leaf = [0, 0.0, False, -1, -1, 1.0]
    Evaluator(build([[[0, 0.0, False, 1, 2, 0.0], leaf, leaf]], [0.0]))
    with pytest.raises(BundleError, match="damaged"):
        Evaluator(build([[[0, 0.0, False, left, right, 0.0], leaf, leaf]], [0.0]))


def of_scikit_learn(model):
    """The trees of a fitted HistGradientBoosting as a forest."""
    trees = [one.nodes for round in model._predictors for one in round]
    nodes = np.concatenate(trees)
    inner = nodes["is_leaf"] == 0
    return Forest(
        column=nodes["feature_idx"].astype(np.int32),
        threshold=as_float32(np.where(inner, nodes["num_threshold"], 0.0)),
        missing_left=(nodes["missing_go_to_left"] > 0) & inner,
        left=np.where(inner, nodes["left"].astype(np.int32), -1),
        right=np.where(inner, nodes["right"].astype(np.int32), -1),
        value=nodes["value"],
        start=np.cumsum([0, *map(len, trees)]),
        baseline=np.asarray(model._baseline_prediction, np.float64).ravel(),
    )


@pytest.mark.parametrize("kind", ["numbers", "two classes", "three classes"])
def test_answers_of_boosted_trees_of_scikit_learn_are_its_own(kind):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 6)).astype(np.float32)
    rows[:, 3] = rng.integers(0, 4, 500)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    signal = np.nansum(rows[:, :3], 1) + rng.normal(size=500)
    if kind == "numbers":
        model = HistGradientBoostingRegressor(max_iter=20).fit(rows, signal)
        theirs = model.predict(rows)[:, None]
    else:
        cuts = [0.0] if kind == "two classes" else [-1.0, 1.0]
        model = HistGradientBoostingClassifier(max_iter=20).fit(rows, np.digitize(signal, cuts))
        theirs = model.decision_function(rows).reshape(len(rows), -1)
    np.testing.assert_allclose(Evaluator(of_scikit_learn(model)).sum(rows), theirs, rtol=0, atol=1e-12)
