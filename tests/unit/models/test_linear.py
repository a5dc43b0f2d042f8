"""Linear: the optimum scikit-learn finds, without ever forming the matrix of all rows."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression, Ridge

from consilience.core.sparse import CSR
from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners.design import Design
from consilience.models.learners.linear import Linear
from consilience.models.learners.relevance import penalty_factors
from consilience.models.learners.rows import collapse, distinct, softmax

FOREVER = float("inf")


def block_of(matrix, index=None, present=None):
    count = matrix.shape[0]
    return Block(
        features=Features(
            matrix=matrix,
            present=np.ones(count, bool) if present is None else present,
            names=tuple(map(str, range(matrix.shape[1]))),
        ),
        index=np.arange(count) if index is None else index,
    )


def sparse_of(matrix):
    rows, columns = np.nonzero(matrix)
    indptr = np.concatenate([[0], np.cumsum((matrix != 0).sum(1))])
    return CSR(values=matrix[rows, columns].astype(np.float32), indices=columns.astype(np.int32), indptr=indptr,
               width=matrix.shape[1])  # fmt: skip


def make_blocks(rows=300, seed=0):
    rng = np.random.default_rng(seed)
    dense = (rng.normal(size=(50, 4)) * [1, 10, 100, 0.01] + [0, 5, 1000, 0]).astype(np.float32)
    words = ((rng.random((30, 9)) < 0.4) * rng.random((30, 9))).astype(np.float32)
    cells, texts = rng.integers(0, 50, rows), rng.integers(0, 30, rows)
    blocks = {"photo": block_of(dense, cells), "words": block_of(sparse_of(words), texts)}
    scaled = (dense - dense[cells].mean(0)) / dense[cells].std(0)
    covariance = np.cov(scaled[cells].T, bias=True)
    scaled *= np.sqrt(np.trace(covariance) / (covariance**2).sum())  # rows as long as there are directions
    plain = np.hstack([scaled[cells], words[texts]]).astype(np.float64)
    target = (plain[:, 0] + plain[:, 5] + rng.normal(size=rows) * 0.3 > 0.3) + (plain[:, 1] > 0.4).astype(int)
    return blocks, plain, target


@pytest.mark.parametrize("C", [0.3, 10.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_finds_the_optimum_of_logistic_regression(C, classes):
    blocks, plain, target = make_blocks()
    target = np.minimum(target, classes - 1)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(target))
    goal = Goal(target=target, width=classes, discrete=True, weights=weights)
    config = Linear.Config(C=C, relevance=0.0, max_iter=1000, tol=1e-14)
    ours = Linear.fit(config, blocks, goal, seed=0, seconds=FOREVER)
    # Two classes have two scores here and one there: half of the difference in each costs half as much.
    theirs = LogisticRegression(C=C * (2 if classes == 2 else 1), tol=1e-8, max_iter=10_000).fit(plain, target, weights)
    np.testing.assert_allclose(ours.predict(blocks), theirs.predict_proba(plain), atol=0.01)
    assert ours.state().meta["converged"]


def test_sparing_a_column_is_as_if_its_numbers_were_larger():
    rng = np.random.default_rng(0)
    matrix = (rng.random((80, 12)) * (rng.random((80, 12)) < 0.3)).astype(np.float32)
    target = (matrix[:, 0] + 0.3 * rng.random(80) > 0.3).astype(np.int64)
    goal = Goal(target=target, width=2, discrete=True, weights=np.ones(80))
    config = Linear.Config(C=2.0, relevance=0.5, max_iter=1000, tol=1e-14)
    ours = Linear.fit(config, {"x": block_of(sparse_of(matrix))}, goal, seed=0, seconds=FOREVER)
    given = csr_matrix(matrix), np.arange(80), np.ones(80), target
    larger = matrix / np.sqrt(penalty_factors(*given, discrete=True, share=0.5))
    theirs = LogisticRegression(C=4.0, tol=1e-8, max_iter=10_000).fit(larger, target)
    np.testing.assert_allclose(
        ours.predict({"x": block_of(sparse_of(matrix))}), theirs.predict_proba(larger), atol=1e-3
    )


def test_finds_the_optimum_of_ridge_regression():
    blocks, plain, target = make_blocks()
    value = 100 + 7 * (target + plain[:, 0])
    goal = Goal(target=value, width=1, discrete=False, weights=np.ones(len(value)))
    ours = Linear.fit(Linear.Config(C=5.0, tol=1e-14), blocks, goal, seed=0, seconds=FOREVER)
    np.testing.assert_allclose(ours.predict(blocks)[:, 0], Ridge(alpha=0.2).fit(plain, value).predict(plain), atol=0.02)


@pytest.mark.parametrize("settings", [{"C": 0.01}, {"max_iter": 2}, {"tol": 1e-2}])
def test_every_setting_counts(settings):
    blocks, _, target = make_blocks()
    goal = Goal(target=target, width=3, discrete=True, weights=np.ones(len(target)))
    plain, changed = (Linear.fit(Linear.Config(**s), blocks, goal, seed=0, seconds=FOREVER) for s in ({}, settings))
    assert not np.allclose(plain.predict(blocks), changed.predict(blocks))
    assert changed.state().meta["converged"] is ("max_iter" not in settings)


def test_a_weight_of_two_is_a_row_twice():
    blocks, _, target = make_blocks()
    weights = np.where(np.arange(300) % 3, 1.0, 2.0)
    rows = np.repeat(np.arange(300), weights.astype(int))
    doubled = Goal(target=target[rows], width=3, discrete=True, weights=np.ones(len(rows)))
    one = Linear.fit(Linear.Config(), blocks, Goal(target=target, width=3, discrete=True, weights=weights), seed=0,
                     seconds=FOREVER)  # fmt: skip
    two = Linear.fit(Linear.Config(), {n: b.take(rows) for n, b in blocks.items()}, doubled, seed=0, seconds=FOREVER)
    np.testing.assert_allclose(one.predict(blocks), two.predict(blocks), rtol=1e-9)


def test_rows_of_equal_cells_and_target_become_one():
    blocks = {"a": block_of(np.zeros((3, 1), np.float32), np.array([0, 0, 1, 0, 2])),
              "b": block_of(np.zeros((2, 1), np.float32), np.array([1, 1, 0, 1, 0]))}  # fmt: skip
    goal = Goal(target=np.array([5, 5, 5, 7, 7]), width=8, discrete=True, weights=np.array([1.0, 2, 3, 4, 0]))
    narrowed, small, _ = collapse(blocks, goal)
    rows = sorted(zip(narrowed["a"].index, narrowed["b"].index, small.target, small.weights, strict=True))
    assert rows == [(0, 1, 5, 3), (0, 1, 7, 4), (1, 0, 5, 3)]


def test_rows_held_out_are_drawn_before_rows_become_one():
    missing = block_of(np.zeros((1, 1), np.float32), np.zeros(40, int), np.zeros(1, bool))
    goal = Goal(target=np.arange(40) % 2, width=2, discrete=True, weights=np.ones(40))
    _, small, held = collapse({"a": missing}, goal, aside=0.25)
    rows = sorted(zip(small.target, held, small.weights, strict=True))
    assert [row[:2] for row in rows] == [(0, False), (0, True), (1, False), (1, True)]
    assert sum(small.weights[held]) == 10
    some = missing.take(np.arange(20))
    _, alone, held_alone = collapse(
        {"a": some}, replace(goal, target=goal.target[:20], weights=np.ones(20)), aside=0.25
    )
    _, small, held = collapse({"a": missing}, replace(goal, weights=np.repeat([1.0, 0.0], 20)), aside=0.25)
    assert held.tolist() == held_alone.tolist()
    assert small.weights.tolist() == alone.weights.tolist()


def test_distinct_finds_the_first_of_each_kind():
    first, kind = distinct([np.array([3, 1, 3, 1]), np.array([0, 0, 0, 9])], 4)
    assert sorted(first.tolist()) == [0, 1, 3]
    assert kind[0] == kind[2]
    assert len({kind[0], kind[1], kind[3]}) == 3


def test_a_gap_is_the_mean_and_an_indicator():
    matrix = np.array([[0.0, 5.0], [2.0, np.nan], [4.0, 7.0], [9.0, 9.0]], np.float32)
    present = np.array([True, True, True, False])
    block = block_of(matrix, np.array([0, 1, 2, 3]), present)
    design = Design.fit(block, np.ones(4))
    scaled = np.array([[-2 / np.sqrt(8 / 3), -1], [0, 0], [2 / np.sqrt(8 / 3), 1]])
    covariance = scaled.T @ scaled / 3
    scaled *= np.sqrt(np.trace(covariance) / (covariance**2).sum())
    expected = np.zeros((4, 4))
    expected[:3, :2] = scaled
    expected[1, 2], expected[3, 3] = 0.25, 1  # the gap is a hint, the missing cell is not
    np.testing.assert_allclose(design.scores(block.features, np.arange(4), np.eye(4)), expected, atol=1e-12)
    np.testing.assert_allclose(design.matrix(block.features, np.arange(4)), expected, atol=1e-7)
    # Training that saw nothing missing has no indicators: what is missing then is the mean.
    whole = Design.fit(block.take(np.array([0, 2])), np.ones(2))
    assert whole.columns == 2
    np.testing.assert_allclose(whole.scores(block.features, np.array([3]), np.eye(2)), [[0, 0]])


def test_a_dense_design_is_laid_out_without_large_copies_and_the_same_in_parts():
    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((12_000, 40)) < 0.01, np.nan, rng.normal(size=(12_000, 40))).astype(np.float32)
    block = block_of(matrix, present=rng.random(len(matrix)) < 0.9)
    design, cells = Design.fit(block, np.ones(len(matrix))), rng.permutation(len(matrix))
    tracemalloc.start()
    laid = design.matrix(block.features, cells)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * laid.nbytes
    whole = design.dense(block.features, cells).astype(np.float32)
    assert laid.flags.c_contiguous
    assert laid.tobytes() == whole.tobytes()


def test_a_missing_text_that_training_never_saw_is_the_mean_text():
    words = np.array([[1.0, 0, 0], [0, 0.5, 0], [0, 0, 0]])
    block = block_of(sparse_of(words), np.array([0, 1, 1]), np.array([True, True, False]))
    design = Design.fit(block, np.array([1.0, 1, 2]))
    assert design.columns == 2, "the column that no training row has is left out"
    coefficients = np.array([[4.0], [8.0]])
    np.testing.assert_allclose(design.scores(block.features, np.array([0, 1, 2]), coefficients), [[4], [4], [4]])


def test_sparse_and_dense_are_fitted_and_asked_alike():
    words = np.random.default_rng(0).random((6, 4)) * (np.random.default_rng(1).random((6, 4)) < 0.5)
    present = np.arange(6) < 5
    words[5] = 0
    block = block_of(sparse_of(words), np.arange(6), present)
    design = Design.fit(block, np.ones(6))
    coefficients = np.random.default_rng(2).normal(size=(5, 2))
    cells = np.array([5, 0, 3, 3])
    there = design.matrix(block.features, cells) @ coefficients
    np.testing.assert_allclose(design.scores(block.features, cells, coefficients), there, rtol=1e-6)


def test_sparse_columns_that_training_never_saw_are_ignored():
    words = np.array([[1.0, 0, 2, 0, 0], [0, 0, 0.5, 0, 0]])
    design = Design.fit(block_of(sparse_of(words)), np.ones(2))
    assert design.seen.tolist() == [0, 2]
    fresh = block_of(sparse_of(np.array([[9.0, 7, 3, 0, 5], [0, 1, 0, 1, 1]])))
    coefficients = np.array([[1.0, 10.0], [100.0, 1000.0]])
    want = [[309.0, 3090.0], [0, 0]]
    np.testing.assert_allclose(design.scores(fresh.features, np.arange(2), coefficients), want)
    np.testing.assert_allclose(design.matrix(fresh.features, np.arange(2)) @ coefficients, want)


def test_what_a_design_learns_of_sparse_cells_does_not_hang_on_the_stretches(monkeypatch):
    from consilience.models.learners import design

    rng = np.random.default_rng(0)
    dense = (rng.random((50, 30)) < 0.2) * rng.random((50, 30))
    dense[:, 7] = 0
    r, c = np.nonzero(dense)
    ends = np.concatenate([[0], np.cumsum((dense > 0).sum(1))])
    words = CSR(values=dense[r, c].astype(np.float32), indices=c.astype(np.int32), indptr=ends, width=30)
    features = Features(matrix=words, present=np.ones(50, bool), names=tuple(map(str, range(30))))
    weights, index = rng.random(80), rng.integers(0, 50, 80)
    whole = Design.fit(Block(features=features, index=index), weights)
    monkeypatch.setattr(design, "_SPARSE_CELLS", 7)
    parts = Design.fit(Block(features=features, index=index), weights)
    assert 7 not in whole.seen
    np.testing.assert_array_equal(parts.seen, whole.seen)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6)
    np.testing.assert_allclose(whole.mean, (weights @ dense[index])[whole.seen] / weights.sum(), rtol=1e-5)


def test_columns_that_never_vary_say_nothing():
    matrix = np.array([[3.3, 1.0], [3.3, 2.0], [3.3, 3.0]], np.float32)
    design = Design.fit(block_of(matrix), np.ones(3))
    other = block_of(np.array([[1e6, 1.0]], np.float32))
    score = design.scores(other.features, np.array([0]), np.eye(2))
    assert score[0, 0] == 0
    assert score[0, 1] < 0


def test_softmax_bears_large_scores():
    np.testing.assert_array_equal(softmax(np.array([[1e4, 0.0], [-1e4, -1e4]])), [[1, 0], [0.5, 0.5]])


def _scaled(matrix):
    """As design.py scales dense columns."""
    scaled = (matrix - matrix.mean(0)) / matrix.std(0)
    covariance = np.cov(scaled.T, bias=True)
    return scaled * np.sqrt(np.trace(covariance) / (covariance**2).sum())


@pytest.mark.parametrize("ratio", [0.3, 1.0])
def test_the_elastic_net_is_that_of_scikit_learn(ratio):
    from sklearn.linear_model import ElasticNet, LogisticRegression

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(200, 12))
    blocks = {"x": block_of(matrix.astype(np.float32))}
    exact = {"l1_ratio": ratio, "tol": 1e-12, "max_iter": 3000}
    values = matrix[:, 0] * 3 - matrix[:, 1] + rng.normal(size=200)
    goal = Goal(target=values, width=1, discrete=False, weights=np.ones(200))
    ours = Linear.fit(Linear.Config(C=0.05, **exact), blocks, goal, seed=0, seconds=FOREVER)
    deviation = values.std()
    theirs = ElasticNet(alpha=1 / (0.05 * 200), l1_ratio=ratio, tol=1e-10).fit(_scaled(matrix), values / deviation)
    np.testing.assert_allclose(ours._model.coefficients["x"][:, 0], theirs.coef_, atol=2e-4)
    assert np.array_equal(ours._model.coefficients["x"][:, 0] == 0, theirs.coef_ == 0)
    assert 0 < (theirs.coef_ == 0).sum() < 12

    target = (matrix[:, :3] + 0.5 * rng.normal(size=(200, 3))).argmax(1)
    goal = Goal(target=target, width=3, discrete=True, weights=np.ones(200))
    ours = Linear.fit(Linear.Config(C=0.1, **exact), blocks, goal, seed=0, seconds=FOREVER)
    theirs = LogisticRegression(C=0.1, l1_ratio=ratio, solver="saga", max_iter=20_000, tol=1e-8)
    theirs.fit(_scaled(matrix), target)
    np.testing.assert_allclose(ours.predict(blocks), theirs.predict_proba(_scaled(matrix)), atol=2e-3)
    assert (ours._model.coefficients["x"] == 0).mean() == pytest.approx((theirs.coef_ == 0).mean(), abs=0.1)
    assert (ours._model.coefficients["x"] == 0).any()


def test_l1_finds_the_few_columns_that_count_and_l2_keeps_all():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(150, 60)).astype(np.float32)
    goal = Goal(target=(matrix[:, 7] > 0).astype(int), width=2, discrete=True, weights=np.ones(150))
    lasso, ridge = (
        Linear.fit(Linear.Config(l1_ratio=ratio, C=0.2), {"x": block_of(matrix)}, goal, seed=0, seconds=FOREVER)
        for ratio in (1.0, 0.0)
    )
    kept = np.flatnonzero(lasso._model.coefficients["x"].any(1))
    assert 7 in kept
    assert len(kept) < 30
    assert ridge._model.coefficients["x"].all()


def texts(rows, classes, seed=0):
    """Each text has one of twelve words of its class, and a run of letters of its own."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, rows)
    matrix = np.zeros((rows, 12 * classes + rows), np.float32)
    matrix[np.arange(rows), 12 * target + rng.integers(0, 12, rows)] = matrix[
        np.arange(rows), -rows + np.arange(rows)
    ] = 0.7
    return matrix, target


def test_how_closely_to_fit_is_found_on_rows_held_out():
    matrix, target = texts(400, 4)
    goal = Goal(target=target, width=4, discrete=True, weights=np.ones(400))
    found = Linear.fit(Linear.Config(), {"x": block_of(sparse_of(matrix))}, goal, seed=0, seconds=FOREVER)
    assert found.settled(Linear.Config()).C == 100
    noise = replace(goal, target=np.random.default_rng(1).permutation(target))
    found = Linear.fit(Linear.Config(), {"x": block_of(sparse_of(matrix))}, noise, seed=0, seconds=FOREVER)
    assert found.settled(Linear.Config()).C == 1
    given = Linear.fit(Linear.Config(C=7), {"x": block_of(sparse_of(matrix))}, goal, seed=0, seconds=FOREVER)
    assert given.settled(Linear.Config(C=7)).C == 7


def test_the_last_fit_is_on_all_rows_as_if_its_C_had_been_given():
    matrix, target = texts(300, 3)
    blocks = {"x": block_of(sparse_of(matrix))}
    for goal in (
        Goal(target=target, width=3, discrete=True, weights=np.ones(300)),
        Goal(target=target * 10.0, width=1, discrete=False, weights=np.ones(300)),
    ):
        found = Linear.fit(Linear.Config(tol=1e-12), blocks, goal, seed=0, seconds=FOREVER)
        C = found.settled(Linear.Config()).C
        given = Linear.fit(Linear.Config(C=C, tol=1e-12), blocks, goal, seed=0, seconds=FOREVER)
        assert C > 1
        np.testing.assert_allclose(found.predict(blocks), given.predict(blocks), atol=2e-3 * np.abs(goal.target).max())


def test_too_few_rows_to_hold_any_out_are_no_obstacle():
    matrix, _ = texts(2, 2)
    goal = Goal(target=np.array([0, 1]), width=2, discrete=True, weights=np.ones(2))
    found = Linear.fit(Linear.Config(), {"x": block_of(sparse_of(matrix))}, goal, seed=0, seconds=FOREVER)
    assert found.predict({"x": block_of(sparse_of(matrix))}).argmax(1).tolist() == [0, 1]
