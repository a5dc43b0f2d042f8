"""Trees: our copy answers as scikit-learn's original does, columns are chosen well, every setting counts."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from consilience.core.errors import ConsilienceError
from consilience.core.sparse import CSR
from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners import trees as module
from consilience.models.learners.columns import choose, gather, splittable
from consilience.models.learners.trees import Trees

FOREVER = float("inf")


def dense_block(matrix, index=None, present=None):
    count = len(matrix)
    features = Features(
        matrix=np.asarray(matrix, np.float32),
        present=np.ones(count, bool) if present is None else present,
        names=tuple(map(str, range(matrix.shape[1]))),
    )
    return Block(features=features, index=np.arange(count) if index is None else index)


def sparse_block(matrix, index=None, present=None):
    rows, columns = np.nonzero(matrix)
    csr = CSR(
        values=matrix[rows, columns].astype(np.float32),
        indices=columns.astype(np.int32),
        indptr=np.concatenate([[0], np.cumsum((matrix != 0).sum(1))]),
        width=matrix.shape[1],
    )
    block = dense_block(matrix, index, present)
    return Block(features=Features(matrix=csr, present=block.features.present, names=block.features.names),
                 index=block.index)  # fmt: skip


def make_goal(target, classes=None, weights=None):
    return Goal(
        target=np.asarray(target),
        width=classes or 1,
        discrete=classes is not None,
        weights=np.ones(len(target)) if weights is None else weights,
    )


def make_rows(count=500, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    matrix = np.round(rng.normal(size=(count, 8)), 1).astype(np.float32)  # many equal values
    target = (np.digitize(matrix[:, 0] + matrix[:, 1] * matrix[:, 2], [-1, -0.2, 0.3, 1])[:count]) % classes
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return matrix, target


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_answers_as_scikit_learn_does(classes, weighted):
    matrix, target = make_rows(classes=classes)
    weights = np.random.default_rng(1).uniform(0.5, 2, 500) if weighted else np.ones(500)
    config = Trees.Config(
        max_iter=12, learning_rate=0.3, l2=1.0, max_leaf_nodes=40, min_samples_leaf=5, rows_per_leaf=1
    )
    ours = Trees.fit(config, {"x": dense_block(matrix)}, make_goal(target, classes, weights), seed=0, seconds=FOREVER)
    theirs = HistGradientBoostingClassifier(
        max_iter=12, learning_rate=0.3, l2_regularization=1.0, max_leaf_nodes=40, min_samples_leaf=5,
        early_stopping=False,
    ).fit(matrix, target, sample_weight=weights if weighted else None)  # fmt: skip
    fresh = make_rows(count=1500, seed=9)[0]
    fresh[:40, :] = np.nan
    np.testing.assert_allclose(ours.predict({"x": dense_block(fresh)}), theirs.predict_proba(fresh), rtol=0, atol=1e-12)


def test_numbers_as_scikit_learn_does_bit_for_bit():
    matrix, target = make_rows()
    config = Trees.Config(max_iter=20, rows_per_leaf=1)
    goal = make_goal(target * 10.0)
    ours = Trees.fit(config, {"x": dense_block(matrix)}, goal, seed=0, seconds=FOREVER)
    theirs = HistGradientBoostingRegressor(
        max_iter=20, learning_rate=0.2, l2_regularization=3.0, max_bins=63, early_stopping=False
    ).fit(matrix, target * 10.0)
    fresh = make_rows(count=300, seed=9)[0]
    assert np.array_equal(ours.predict({"x": dense_block(fresh)})[:, 0], theirs.predict(fresh))


def test_thresholds_between_neighbouring_floats_stay_exact():
    # scikit-learn cuts in the middle of two float32, which is no float32: rounding it to the nearest would move rows.
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2))
    matrix = np.array([low, high] * 30, np.float32)[:, None]
    target = np.tile([0, 1], 30)
    ours = Trees.fit(Trees.Config(max_iter=3), {"x": dense_block(matrix)}, make_goal(target, 2), seed=0,
                     seconds=FOREVER)  # fmt: skip
    assert np.array_equal(ours.predict({"x": dense_block(matrix)}).argmax(1), target)


def test_a_clock_in_between_changes_nothing(monkeypatch):
    monkeypatch.setattr(module, "_SLOWEST", 1e3)  # or the clock would not be looked at
    matrix, target = make_rows()
    blocks, goal = {"x": dense_block(matrix)}, make_goal(target, 5)
    with_clock, without = (Trees.fit(Trees.Config(max_iter=9), blocks, goal, seed=0, seconds=s) for s in (1e6, FOREVER))
    assert with_clock.state().meta["iterations"] == 9
    assert np.array_equal(with_clock.predict(blocks), without.predict(blocks))


def test_a_copy_that_differs_is_refused(monkeypatch):
    matrix, target = make_rows()
    right = module._copy

    def wrong(model):
        forest = right(model)
        forest.value[forest.left < 0] *= 1.01
        return forest

    monkeypatch.setattr(module, "_copy", wrong)
    with pytest.raises(ConsilienceError, match="could not be copied"):
        Trees.fit(Trees.Config(max_iter=3), {"x": dense_block(matrix)}, make_goal(target, 5), seed=0, seconds=FOREVER)


def test_missing_cells_and_missing_numbers_can_tell_something():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(400, 3)).astype(np.float32)
    present = rng.random(400) < 0.5
    matrix[~present] = 0
    blocks = {"x": dense_block(matrix, present=present)}
    fitted = Trees.fit(Trees.Config(max_iter=10), blocks, make_goal(present.astype(int), 2), seed=0, seconds=FOREVER)
    assert np.array_equal(fitted.predict(blocks).argmax(1), present)


@pytest.mark.parametrize("discrete", [True, False])
def test_the_telling_columns_of_a_sparse_input_are_kept(discrete):
    rng = np.random.default_rng(0)
    matrix = (rng.random((300, 40)) < 0.2) * rng.random((300, 40))
    target = (matrix[:, 7] > 0).astype(int) + (matrix[:, 31] > 0)
    present = np.arange(300) < 250  # the others would tell another story
    matrix[250:] = 0
    target[250:] = 2
    index = rng.permutation(np.repeat(np.arange(300), 2))
    goal = make_goal(target[index] if discrete else target[index] * 1.0, 3 if discrete else None)
    blocks = {"w": sparse_block(matrix, index, present), "d": dense_block(matrix[:, :2])}
    chosen = choose(blocks, goal, sparse=2, least=20)
    assert chosen["w"].tolist() == [7, 31]
    assert chosen["d"].tolist() == [0, 1]


def test_a_sparse_column_of_too_few_rows_is_not_chosen():
    matrix = np.zeros((60, 3))
    matrix[:9, 0] = matrix[:10, 1] = 1  # column 0 tells more, in nine cells of one row each
    matrix[50:, 2] = 1  # and column 2 in ten cells that no row has
    goal, index = make_goal(np.arange(50) < 9, 2), np.arange(50)
    assert choose({"w": sparse_block(matrix, index)}, goal, sparse=3, least=10)["w"].tolist() == [1]
    assert choose({"w": sparse_block(matrix, np.repeat(index, 2))}, make_goal(np.repeat(np.arange(50) < 9, 2), 2),
                  sparse=1, least=10)["w"].tolist() == [0]  # fmt: skip


def test_columns_that_no_tree_can_cut_are_left_out_and_nothing_changes():
    rng = np.random.default_rng(0)
    matrix, target = make_rows()
    rare = np.zeros((500, 6), np.float32)
    for column, rows in enumerate([1, 19, 20, 480, 481, 0]):
        rare[rng.permutation(500)[:rows], column] = 1
    rare[:, 5] = np.nan
    rare[:19, 5] = rng.random(19)
    assert splittable(rare, 20).tolist() == [2, 3]
    assert splittable(rare[:39], 20).tolist() == []
    both = {"x": dense_block(matrix), "y": dense_block(rare)}
    fitted = Trees.fit(Trees.Config(), both, make_goal(target, 5), seed=0, seconds=FOREVER)
    plain = HistGradientBoostingClassifier(
        max_iter=30, learning_rate=0.2, max_leaf_nodes=8, l2_regularization=3, max_bins=63, early_stopping=False
    ).fit(np.hstack([matrix, rare]), target)
    theirs = plain.predict_proba(np.hstack([matrix, rare]))
    np.testing.assert_allclose(fitted.predict(both), theirs, atol=1e-9)


def test_twin_columns_are_chosen_from_the_left():
    column = np.random.default_rng(0).random((60, 1))
    matrix = np.repeat(column, 10, axis=1)
    goal = make_goal(column[:, 0] > 0.5, 2)
    assert choose({"w": sparse_block(matrix)}, goal, sparse=3, least=20)["w"].tolist() == [0, 1, 2]


def test_a_missing_cell_is_nan_in_all_of_its_columns_and_nowhere_else():
    present = np.array([True, False, True])
    matrix = np.array([[1.0, 0.0], [5.0, 5.0], [0.0, 2.0]])
    index = np.array([2, 1, 0, 1])
    blocks = {"s": sparse_block(matrix, index, present), "d": dense_block(matrix, index[::-1], present)}
    got = gather(blocks, {"s": np.array([1, 0])[:1], "d": np.array([0, 1])}, np.arange(4))
    nan = np.nan
    np.testing.assert_array_equal(got, [[2, nan, nan], [nan, 1, 0], [0, nan, nan], [nan, 0, 2]])


@pytest.mark.parametrize(
    "settings",
    [{"max_iter": 3}, {"learning_rate": 0.5}, {"max_leaf_nodes": 4}, {"rows_per_leaf": 1}, {"min_samples_leaf": 60},
     {"l2": 50.0}, {"max_bins": 8}, {"early_stopping": True}, {"sparse_columns": 1},
     {"evidence": 0}],
    ids=lambda s: next(iter(s)),
)  # fmt: skip
def test_every_setting_counts(settings):
    matrix, target = make_rows()
    words = (np.random.default_rng(0).random((500, 6)) < 0.5) * (target[:, None] > [0, 1, 2, 3, 1, 2])
    blocks, goal = {"x": dense_block(matrix), "w": sparse_block(words)}, make_goal(target, 5)
    base = {"max_iter": 40 if "early_stopping" in settings else 6}
    if "sparse_columns" in settings:  # what five columns say together, they would know all the same
        base["evidence"] = 0
    plain, changed = (
        Trees.fit(Trees.Config(**base | s), blocks, goal, seed=0, seconds=FOREVER).predict(blocks)
        for s in ({}, settings)
    )
    assert not np.allclose(plain, changed)


def test_a_rare_class_is_no_obstacle_to_early_stopping():
    matrix, target = make_rows()
    target[0] = 5
    fitted = Trees.fit(
        Trees.Config(max_iter=2, early_stopping=True), {"x": dense_block(matrix)}, make_goal(target, 6), seed=0,
        seconds=FOREVER,
    )  # fmt: skip
    assert fitted.state().meta["iterations"] == 2


@pytest.mark.parametrize("discrete", [True, False])
def test_the_choice_of_columns_does_not_hang_on_the_stretches(monkeypatch, discrete):
    from consilience.models.learners import columns

    rng = np.random.default_rng(0)
    matrix = (rng.random((50, 12)) < 0.3) * rng.random((50, 12)).astype(np.float32)
    blocks = {"w": sparse_block(matrix, rng.integers(0, 50, 90))}
    target = rng.integers(0, 3, 90) if discrete else rng.normal(size=90)
    goal = Goal(target=target, width=3 if discrete else 1, discrete=discrete, weights=rng.random(90))
    score = columns.explained(blocks["w"].features.matrix, blocks["w"], goal)
    kept, rows = {"w": np.array([1, 4, 7])}, np.arange(90)
    whole = columns.gather(blocks, kept, rows)
    monkeypatch.setattr(columns, "_STRETCH", 7)
    np.testing.assert_allclose(columns.explained(blocks["w"].features.matrix, blocks["w"], goal), score, atol=2e-9)
    np.testing.assert_array_equal(columns.gather(blocks, kept, rows), whole)
    np.testing.assert_array_equal(whole, matrix[blocks["w"].index][:, [1, 4, 7]])


def test_trees_saved_before_there_was_evidence_are_read():
    matrix, target = make_rows()
    words = (np.random.default_rng(0).random((500, 6)) < 0.5) * (target[:, None] > [0, 1, 2, 3, 1, 2])
    blocks = {"x": dense_block(matrix), "w": sparse_block(words)}
    fitted = Trees.fit(Trees.Config(max_iter=3, evidence=0), blocks, make_goal(target, 5), seed=0, seconds=FOREVER)
    state = fitted.state()
    assert state.meta.pop("told") == []
    assert state.meta["inputs"] == ["w", "x"]
    assert np.array_equal(Trees.restore(state).predict(blocks), fitted.predict(blocks))
