"""The contract of every classic learner, for classes and for numbers. A new one is tested by being listed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from behaviour import Other, idle_keys
from safetensors.numpy import load_file, save_file

from consilience.core.sparse import CSR
from consilience.core.state import State
from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners import LEARNERS

ROWS = 240
FOREVER = float("inf")
QUICK = {"Trees": {"max_iter": 8}, "ExtraTrees": {"trees": 20}}
"""Settings that spare time and prove the same."""


def make_features(matrix, present):
    width = matrix.shape[1]
    return Features(matrix=matrix, present=present, names=tuple(f"f{i}" for i in range(width)))


def make_blocks(*, seed=0, rows=ROWS):
    """A picture and numbers (dense, with gaps) and words (sparse, with measures); rows share cells; the last cell is
    missing."""
    rng = np.random.default_rng(seed)
    blocks = {}
    for name, cells, width in (("photo", 80, 6), ("numbers", rows, 3)):
        matrix = rng.normal(size=(cells, width)).astype(np.float32)
        matrix[rng.random(matrix.shape) < 0.05] = np.nan
        present = np.arange(cells) < cells - 1
        matrix[~present] = 0
        blocks[name] = Block(features=make_features(matrix, present), index=rng.integers(0, cells, rows))
    dense = (rng.random((40, 12)) < 0.3) * rng.random((40, 12))
    present = np.arange(40) < 39
    dense[~present] = 0
    r, c = np.nonzero(dense)
    words = CSR(
        values=dense[r, c].astype(np.float32),
        indices=c.astype(np.int32),
        indptr=np.concatenate([[0], np.cumsum((dense > 0).sum(1))]),
        width=12,
    )
    index = rng.integers(0, 40, rows)
    measures = make_features(np.where(present[:, None], rng.normal(size=(40, 2)), 0).astype(np.float32), present)
    blocks["words"] = Block(features=make_features(words, present), index=index, measures=measures)
    return blocks


def signal(blocks):
    photo = np.nan_to_num(blocks["photo"].features.matrix)[blocks["photo"].index]
    words = blocks["words"].features.matrix.columns(np.arange(12))[blocks["words"].index]
    return photo[:, 0] + 3 * words[:, 2], photo[:, 1]


def make_goal(blocks, discrete, *, seed=0):
    one, two = signal(blocks)
    noise = np.random.default_rng(seed).normal(size=len(one)) * 0.2
    if not discrete:
        return Goal(target=20.0 + 5 * (one + noise), width=1, discrete=False, weights=np.ones(len(one)))
    target = (one + noise > 0.5) + 2 * (two > 0.5) * (one > 0)
    return Goal(target=target.astype(np.int64), width=4, discrete=True, weights=np.ones(len(one)))


def fit(learner, blocks, goal, *, seed=0, seconds=FOREVER, **config):
    config = {**QUICK.get(learner.__name__, {}), **config}
    return learner.fit(learner.Config(**config), blocks, goal, seed=seed, seconds=seconds)


def take(blocks, rows):
    return {name: block.take(np.asarray(rows)) for name, block in blocks.items()}


@pytest.fixture(params=list(LEARNERS))
def learner(request):
    return LEARNERS.load(request.param)


@pytest.fixture(params=[True, False], ids=["classes", "numbers"])
def discrete(request):
    return request.param


def test_learns_the_signal_and_nothing_from_shuffled_targets(learner, discrete):
    blocks, fresh = make_blocks(), make_blocks()
    goal, real = make_goal(blocks, discrete), make_goal(fresh, discrete, seed=1)
    shuffled = replace(goal, target=np.random.default_rng(5).permutation(goal.target))

    def quality(target):
        answers = fit(learner, take(blocks, np.arange(160)), target).predict(take(blocks, np.arange(160, ROWS)))
        truth = real.target[160:]
        if discrete:
            return (answers.argmax(1) == truth).mean()
        return 1 - ((answers[:, 0] - truth) ** 2).mean() / truth.var()

    def first(goal):
        return replace(goal, target=goal.target[:160], weights=goal.weights[:160])

    assert quality(first(goal)) > (0.65 if discrete else 0.5)
    assert quality(first(shuffled)) < (0.5 if discrete else 0.2)


def test_answers_are_probabilities_or_values(learner, discrete):
    blocks = make_blocks()
    answers = fit(learner, blocks, make_goal(blocks, discrete)).predict(blocks)
    assert answers.dtype == np.float64
    assert answers.shape == (ROWS, 4 if discrete else 1)
    assert np.isfinite(answers).all()
    if discrete:
        np.testing.assert_allclose(answers.sum(1), 1, atol=1e-12)
        assert (answers >= 0).all()


def test_survives_saving_bit_for_bit(learner, discrete, tmp_path):
    blocks = make_blocks()
    fitted = fit(learner, blocks, make_goal(blocks, discrete))
    state = fitted.state()
    save_file(state.arrays, tmp_path / "w.safetensors")
    again = learner.restore(
        State(arrays=load_file(tmp_path / "w.safetensors"), meta=json.loads(json.dumps(state.meta)))
    )
    fresh = make_blocks(seed=3)
    assert np.array_equal(again.predict(fresh), fitted.predict(fresh))
    twice = again.state()
    assert twice.meta == state.meta
    assert all(np.array_equal(twice.arrays[name], array) for name, array in state.arrays.items())


def test_the_same_seed_gives_the_same_bits(learner, discrete):
    blocks = make_blocks()
    goal = make_goal(blocks, discrete)
    one, two = (fit(learner, b, goal).predict(blocks) for b in (blocks, dict(reversed(list(blocks.items())))))
    assert np.array_equal(one, two)


def test_a_row_is_answered_alike_alone_and_among_others(learner, discrete):
    blocks = make_blocks()
    fitted = fit(learner, blocks, make_goal(blocks, discrete))
    together = fitted.predict(blocks)
    order = np.random.default_rng(1).permutation(ROWS)
    np.testing.assert_allclose(fitted.predict(take(blocks, order)), together[order], rtol=1e-12, atol=1e-12)
    for row in (0, 7, ROWS - 1):
        np.testing.assert_allclose(fitted.predict(take(blocks, [row]))[0], together[row], rtol=1e-12, atol=1e-12)
    assert fitted.predict(take(blocks, np.zeros(0, np.int64))).shape == (0, together.shape[1])


def test_the_order_of_training_rows_hardly_matters(learner, discrete):
    blocks = make_blocks()
    goal = make_goal(blocks, discrete)
    order = np.random.default_rng(2).permutation(ROWS)
    turned = replace(goal, target=goal.target[order], weights=goal.weights[order])
    one, two = fit(learner, blocks, goal), fit(learner, take(blocks, order), turned)
    np.testing.assert_allclose(one.predict(blocks), two.predict(blocks), rtol=1e-3, atol=1e-3)


def test_nothing_leaks_out_of_missing_cells(learner, discrete):
    def scribbled(blocks):
        out = dict(blocks)
        for name in ("photo", "numbers"):
            features = blocks[name].features
            matrix = features.matrix.copy()
            matrix[~features.present] = [1e9, np.nan, np.inf, -3.0, 7.0, 0.5][: matrix.shape[1]]
            out[name] = replace(blocks[name], features=replace(features, matrix=matrix))
        words = blocks["words"].features
        csr = words.matrix  # the missing cell is the last one, so its entries go at the end
        matrix = replace(
            csr,
            values=np.append(csr.values, np.float32([9, 9])),
            indices=np.append(csr.indices, np.int32([0, 2])),
            indptr=np.append(csr.indptr[:-1], csr.indptr[-1] + 2),
        )
        out["words"] = replace(blocks["words"], features=replace(words, matrix=matrix))
        return out

    blocks = make_blocks()
    goal = make_goal(blocks, discrete)
    fitted = fit(learner, blocks, goal)
    assert np.array_equal(fitted.predict(scribbled(blocks)), fitted.predict(blocks))
    if (
        "sparse_columns" in learner.Config.__dataclass_fields__
    ):  # which columns of the words count is learnt from present cells
        again = fit(learner, scribbled(blocks), goal, sparse_columns=3)
        assert np.array_equal(again.predict(blocks), fit(learner, blocks, goal, sparse_columns=3).predict(blocks))
    else:
        assert np.array_equal(fit(learner, scribbled(blocks), goal).predict(blocks), fitted.predict(blocks))


def test_cells_that_no_training_row_holds_teach_nothing(learner, discrete):
    blocks = make_blocks()
    kept = np.flatnonzero(blocks["photo"].index < 60)
    some, goal = take(blocks, kept), make_goal(blocks, discrete)
    goal = replace(goal, target=goal.target[kept], weights=goal.weights[kept])
    features = blocks["photo"].features
    matrix = features.matrix.copy()
    matrix[60:] *= 1000
    other = {**some, "photo": replace(some["photo"], features=replace(features, matrix=matrix))}
    assert np.array_equal(fit(learner, other, goal).predict(some), fit(learner, some, goal).predict(some))


@pytest.mark.parametrize("gaps_in_training", [True, False])
def test_finite_when_everything_is_missing(learner, discrete, gaps_in_training):
    blocks = make_blocks()
    goal = make_goal(blocks, discrete)
    train = blocks
    if not gaps_in_training:
        there = np.all([b.features.present[b.index] for b in blocks.values()], axis=0)
        train = take(blocks, np.flatnonzero(there))
        goal = replace(goal, target=goal.target[there], weights=goal.weights[there])
    fitted = fit(learner, train, goal)
    last = {n: replace(b, index=np.array([len(b.features.present) - 1])) for n, b in blocks.items()}
    answer = fitted.predict(last)
    assert np.isfinite(answer).all()
    if discrete:
        assert answer.max() <= fitted.predict(train).max()
    else:
        assert goal.target.min() < answer[0, 0] < goal.target.max()


def test_inputs_that_hold_nothing(learner, discrete):
    blocks = make_blocks()

    def gone(features):
        return features and replace(features, present=np.zeros(len(features.present), bool))

    empty = {n: replace(b, features=gone(b.features), measures=gone(b.measures)) for n, b in blocks.items()}
    goal = make_goal(blocks, discrete)
    answer = fit(learner, empty, goal).predict(empty)
    best = np.bincount(goal.target, minlength=4) / ROWS if discrete else goal.target.mean(keepdims=True)
    np.testing.assert_allclose(answer, np.repeat(best[None], ROWS, 0), atol=0.15 if discrete else 0.5)


def test_one_class(learner):
    blocks = make_blocks()
    goal = Goal(target=np.full(ROWS, 2), width=4, discrete=True, weights=np.ones(ROWS))
    assert np.array_equal(fit(learner, blocks, goal).predict(blocks), np.repeat([[0.0, 0, 1, 0]], ROWS, 0))


def test_one_row(learner, discrete):
    blocks = take(make_blocks(), [0])
    goal = Goal(target=np.array([1]) if discrete else np.array([3.5]), width=2 if discrete else 1, discrete=discrete,
                weights=np.ones(1))  # fmt: skip
    np.testing.assert_allclose(fit(learner, blocks, goal).predict(blocks), [[0, 1]] if discrete else [[3.5]])


def test_two_classes_and_one_that_training_never_saw(learner):
    blocks = make_blocks()
    target = np.where(signal(blocks)[0] > 0.5, 3, 1)
    fitted = fit(learner, blocks, Goal(target=target, width=5, discrete=True, weights=np.ones(ROWS)))
    answers = fitted.predict(blocks)
    assert answers.shape == (ROWS, 5)
    assert (answers[:, [0, 2, 4]] < 1e-9).all()
    np.testing.assert_allclose(answers.sum(1), 1)
    assert (answers.argmax(1) == target).mean() > 0.8


def test_rows_without_weight_do_not_count(learner, discrete):
    blocks = make_blocks()
    goal = make_goal(blocks, discrete)
    target, weights = goal.target.copy(), goal.weights.copy()
    weights[::2] = 0
    target[::2] = 3 if discrete else 1e6
    weighted = fit(learner, blocks, replace(goal, target=target, weights=weights))
    odd = np.arange(1, ROWS, 2)
    alone = fit(learner, take(blocks, odd), replace(goal, target=goal.target[odd], weights=goal.weights[odd]))
    assert np.array_equal(weighted.predict(blocks), alone.predict(blocks))


def test_weights_move_the_answer(learner, discrete):
    blocks = make_blocks()
    goal = make_goal(blocks, discrete)
    high = goal.target == 1 if discrete else goal.target > goal.target.mean()
    heavy = fit(learner, blocks, replace(goal, weights=np.where(high, 20.0, 1.0))).predict(blocks)
    even = fit(learner, blocks, goal).predict(blocks)
    column = 1 if discrete else 0
    assert heavy[:, column].mean() > even[:, column].mean()


def test_little_time_means_less_work_not_no_answer(learner, discrete):
    blocks = make_blocks()
    goal = make_goal(blocks, discrete)
    hurried, patient = fit(learner, blocks, goal, seconds=0.0), fit(learner, blocks, goal)
    assert np.isfinite(hurried.predict(blocks)).all()
    assert not np.array_equal(hurried.predict(blocks), patient.predict(blocks))
    meta = hurried.state().meta
    assert meta.get("iterations") == 1 or meta.get("converged") is False


def test_impossible_settings_are_refused(learner):
    for settings in ({"max_iter": 0}, {"C": -1.0}, {"learning_rate": 0.0}, {"max_bins": 256}, {"epsilon": -1.0}):
        if set(settings) <= set(learner.Config.__dataclass_fields__):
            with pytest.raises(ValueError, match=next(iter(settings))):
                learner.Config(**settings)


OTHERS = {
    "extra_trees": {"trees": 5, "min_samples_leaf": 9, "max_leaf_nodes": 4, "columns": 0.9, "sparse_columns": 1,
                    "evidence": 0},
    "kernel_svm": {
        "kernel": "polynomial", "gamma": 2.0, "degree": Other(2, kernel="polynomial"), "C": 0.05, "landmarks": 20,
        "epsilon": 0.5, "holdout": 0.5, "max_iter": 2, "tol": 0.1,
    },
    "linear": {"C": 0.05, "l1_ratio": 0.7, "relevance": 0.0, "max_iter": 2, "tol": 0.1},
    "svm": {"C": 1.0, "epsilon": 0.5, "holdout": 0.5, "max_iter": 2, "tol": 0.1},
    "trees": {
        "max_iter": 3, "learning_rate": 0.5, "max_leaf_nodes": 4, "rows_per_leaf": 1, "min_samples_leaf": 60,
        "l2": 50.0, "sparse_columns": 1, "evidence": 0, "max_bins": 8, "early_stopping": Other(True, max_iter=40),
    },
}  # fmt: skip
"""Another value for every key of every learner's config."""


def test_every_key_does_something(learner, request):
    """For classes or for numbers: some are for one of them."""
    kind = request.node.callspec.params["learner"]
    blocks = make_blocks()
    goals = [make_goal(blocks, discrete) for discrete in (True, False)]

    def look(config):
        return [learner.fit(config, blocks, goal, seed=0, seconds=FOREVER).predict(blocks) for goal in goals]

    assert idle_keys(learner.Config, OTHERS[kind], look, QUICK.get(learner.__name__)) == []
