"""Evidence: the sums are naive Bayes', and no row is shown its own answer."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

from consilience.core.sparse import CSR
from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners import columns
from consilience.models.learners.evidence import tell
from consilience.models.learners.rows import deal
from consilience.models.learners.trees import Trees

ROWS, CELLS, WIDTH = 90, 50, 12


def sparse_block(matrix, index=None, present=None):
    csr = scipy.sparse.csr_matrix(np.asarray(matrix, np.float32))
    features = Features(
        matrix=CSR(values=csr.data, indices=csr.indices, indptr=csr.indptr.astype(np.int64), width=csr.shape[1]),
        present=np.ones(len(matrix), bool) if present is None else present,
        names=tuple(map(str, range(csr.shape[1]))),
    )
    return Block(features=features, index=np.arange(len(matrix)) if index is None else index)


def make_data(classes=3, *, seed=0):
    """Some cells missing, most of several rows, weights that differ; -> matrix, block, goal."""
    rng = np.random.default_rng(seed)
    matrix = (rng.random((CELLS, WIDTH)) < 0.3) * rng.random((CELLS, WIDTH))
    present = np.arange(CELLS) >= 3
    matrix[~present] = 0
    block = sparse_block(matrix, rng.integers(0, CELLS, ROWS), present)
    target = rng.integers(0, classes, ROWS) if classes else rng.normal(size=ROWS) * 4 + 30
    goal = Goal(target=target, width=classes or 1, discrete=bool(classes), weights=rng.uniform(0.5, 2, ROWS))
    return matrix, block, goal


def by_hand(matrix, block, goal, asked, rows):
    """What the rows `asked` say of `rows`, one row and one column at a time; with a doubt of 1."""
    classes = np.unique(goal.target) if goal.discrete else [0]
    weights, target = goal.weights[asked], goal.target[asked]
    mean, deviation = np.average(target, weights=weights), 1.0
    if not goal.discrete:
        centre = np.average(goal.target, weights=goal.weights)
        deviation = np.sqrt(np.average((goal.target - centre) ** 2, weights=goal.weights))
    out = np.zeros((len(rows), len(classes)))
    has = matrix[block.index[asked]] * block.features.present[block.index[asked], None]
    for k, c in enumerate(classes):
        prior = weights[target == c].sum() / weights.sum()
        for column in range(matrix.shape[1]):
            amount = weights * has[:, column]
            if not amount.sum() > 0:
                continue
            if goal.discrete:
                p = (amount[target == c].sum() + prior) / (amount.sum() + 1)
                says = np.log(p / (1 - p)) - np.log(prior / (1 - prior))
            else:
                says = (amount * (target - mean) / deviation).sum() / (amount.sum() + 1)
            out[:, k] += matrix[block.index[rows], column] * says
    out[~block.features.present[block.index[rows]]] = np.nan
    return out[:, 1:] if goal.discrete and len(classes) == 2 else out


@pytest.mark.parametrize("classes", [2, 3, None])
def test_the_sums_are_those_of_naive_bayes(classes):
    matrix, block, goal = make_data(classes)
    told, shown = tell({"words": block}, goal, most=32, seed=0)
    rows = np.arange(ROWS)
    got = told["words"].of(block, rows)
    np.testing.assert_allclose(got, by_hand(matrix, block, goal, rows, rows), rtol=1e-4, atol=1e-5)
    fold = deal({"words": block}, goal, 5, 0)
    for number in range(5):
        mine, others = rows[fold == number], rows[fold != number]
        want = by_hand(matrix, block, goal, others, mine)
        np.testing.assert_allclose(shown[mine], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("groups", [10, 30])
def test_common_words_do_not_give_the_answer_of_a_group_away(groups, discrete):
    """Each group has one answer; the words say nothing. What the others say less than all do is the group itself."""
    rng = np.random.default_rng(0)
    group, found = np.repeat(np.arange(groups), 1200 // groups), []
    words = sparse_block((rng.random((len(group), 60)) < 0.4) / 5)
    for _ in range(10):
        answer = np.arange(groups) % 2 if discrete else rng.normal(size=groups)
        answer = rng.permutation(answer)[group]
        weights = np.ones(len(group))
        goal = Goal(target=answer, width=2 if discrete else 1, discrete=discrete, weights=weights, groups=group)
        _, shown = tell({"w": words}, goal, most=32, seed=0)
        found.append(np.corrcoef(shown[:, 0], answer)[0, 1])
    assert abs(np.mean(found)) < 0.15


@pytest.mark.parametrize("classes", [2, 4, None])
def test_a_word_that_one_row_alone_has_tells_that_row_nothing(classes):
    goal = replace(make_data(classes)[2], weights=np.ones(ROWS))
    told, shown = tell({"words": sparse_block(np.eye(ROWS))}, goal, most=32, seed=0)
    assert (shown == 0).all()
    assert (np.abs(told["words"].says) > 0.01).all()


@pytest.mark.parametrize("classes", [2, 4, None])
def test_what_all_rows_have_says_nothing_not_even_which_fold_a_row_is_in(classes):
    goal = make_data(classes)[2]
    told, shown = tell({"words": sparse_block(np.full((ROWS, 3), 0.3))}, goal, most=32, seed=0)
    assert (shown == 0).all()
    assert (told["words"].says == 0).all()


def test_noise_teaches_trees_nothing():
    """Had training rows their own answers in what they are shown, trees would trust it, and be sure of nonsense."""
    rng = np.random.default_rng(0)
    block = sparse_block((rng.random((400, 2000)) < 0.02).astype(np.float32))
    goal = Goal(target=rng.integers(0, 2, 400), width=2, discrete=True, weights=np.ones(400))
    first = replace(goal, target=goal.target[:300], weights=goal.weights[:300])
    model = Trees.fit(
        Trees.Config(sparse_columns=0, max_iter=5), {"w": block.take(np.arange(300))}, first, seed=0, seconds=np.inf
    )
    answers = model.predict({"w": block.take(np.arange(300, 400))})
    assert -np.log(answers[np.arange(100), goal.target[300:]]).mean() < 0.85


def test_a_text_that_a_whole_group_shares_is_no_evidence_inside_of_it():
    """Six rows of each patient have one report, and one answer. Asked row by row, the report would give it away."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(200), 6)
    report = (rng.random((200, 3000)) < 0.003) / 5
    answer = rng.integers(0, 2, 200)[patient]
    value = (answer[:, None] + rng.normal(size=(1200, 1)) * 1.5).astype(np.float32)
    numbers = Features(matrix=value, present=np.ones(1200, bool), names=("value",))
    blocks = {"report": sparse_block(report, patient), "numbers": Block(features=numbers, index=np.arange(1200))}
    goal = Goal(target=answer, width=2, discrete=True, weights=np.ones(1200))
    train, held = np.flatnonzero(patient < 150), np.flatnonzero(patient >= 150)

    def loss(goal, evidence=32):
        some = {name: block.take(train) for name, block in blocks.items()}
        config = Trees.Config(max_iter=15, sparse_columns=0, evidence=evidence)
        model = Trees.fit(config, some, goal.take(train), seed=0, seconds=np.inf)
        answers = model.predict({name: block.take(held) for name, block in blocks.items()})
        return -np.log(answers[np.arange(len(held)), answer[held]]).mean()

    without, grouped, alone = loss(goal, evidence=0), loss(replace(goal, groups=patient)), loss(goal)
    assert grouped - without < 0.1 * (alone - without)


def test_trees_learn_from_a_thousand_words_that_each_say_a_little():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 900)
    words = rng.random((900, 1000)) < 0.02 * (1 + 0.8 * (np.arange(1000) % 3 == target[:, None]))
    blocks = {"w": sparse_block(words / 5)}
    goal = Goal(target=target[:600], width=3, discrete=True, weights=np.ones(600))
    train, held = ({"w": blocks["w"].take(np.arange(*span))} for span in ((0, 600), (600, 900)))
    right = {
        most: (
            Trees.fit(Trees.Config(evidence=most), train, goal, seed=0, seconds=np.inf).predict(held).argmax(1)
            == target[600:]
        ).mean()
        for most in (0, 32)
    }
    assert right[0] < 0.5
    assert right[32] > 0.6


@pytest.mark.parametrize("classes", [3, None])
def test_a_weight_of_two_is_two_rows(classes):
    _, block, goal = make_data(classes)
    weights = np.where(np.arange(ROWS) % 3, 1.0, 2.0)
    twice = np.repeat(np.arange(ROWS), weights.astype(int))
    heavy, _ = tell({"w": block}, replace(goal, weights=weights), most=32, seed=0)
    plain = replace(goal, target=goal.target[twice], weights=np.ones(len(twice)))
    many, _ = tell({"w": block.take(twice)}, plain, most=32, seed=0)
    np.testing.assert_allclose(heavy["w"].says, many["w"].says, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("classes", [3, None])
def test_neither_stretches_nor_the_order_of_rows_matter(monkeypatch, classes):
    _, block, goal = make_data(classes)
    told, shown = tell({"w": block}, goal, most=32, seed=0)
    order = np.random.default_rng(1).permutation(ROWS)
    turned = replace(goal, target=goal.target[order], weights=goal.weights[order])
    monkeypatch.setattr(columns, "_STRETCH", 7)
    again, also = tell({"w": block.take(order)}, turned, most=32, seed=0)
    np.testing.assert_array_equal(told["w"].seen, again["w"].seen)
    np.testing.assert_allclose(told["w"].says, again["w"].says, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(shown[order], also, rtol=1e-5, atol=1e-6)


def test_of_many_classes_the_heaviest_are_told():
    _, block, goal = make_data(6)
    weights = np.where(np.isin(goal.target, [1, 4]), 3.0, 0.5)
    goal = replace(goal, weights=weights)
    some, shown = tell({"w": block}, goal, most=2, seed=0)
    every, _ = tell({"w": block}, goal, most=32, seed=0)
    assert shown.shape == (ROWS, 2)
    np.testing.assert_array_equal(some["w"].says, every["w"].says[:, [1, 4]])


def test_the_sign_of_a_hashed_column_is_no_evidence():
    matrix, block, goal = make_data()
    signs = np.where(np.arange(WIDTH) % 2, 1, -1)
    signed = sparse_block(matrix * signs, block.index, block.features.present)
    told, shown = tell({"w": block}, goal, most=32, seed=0)
    also, as_shown = tell({"w": signed}, goal, most=32, seed=0)
    np.testing.assert_array_equal(told["w"].says, also["w"].says)
    np.testing.assert_array_equal(shown, as_shown)


def test_nothing_to_tell():
    _, block, goal = make_data()
    for blocks, asked, most in (
        ({"w": block}, replace(goal, target=np.zeros(ROWS, np.int64)), 32),
        ({"w": block}, goal, 0),
        ({"d": replace(block, features=replace(block.features, matrix=np.zeros((CELLS, 2))))}, goal, 32),
    ):
        told, shown = tell(blocks, asked, most=most, seed=0)
        assert told == {}
        assert shown.shape == (ROWS, 0)


def test_a_class_that_weighs_almost_nothing():
    _, block, goal = make_data(2)
    for rare in (1e-18, 1e-9, 0.0):
        _, shown = tell({"w": block}, replace(goal, weights=np.where(goal.target == 0, rare, 1.0)), most=32, seed=0)
        assert np.isfinite(shown[block.features.present[block.index]]).all()


def test_numbers_of_any_size():
    _, block, goal = make_data(None)
    told, _ = tell({"w": block}, goal, most=32, seed=0)
    for factor in (1e-30, 1e38):
        large, shown = tell({"w": block}, replace(goal, target=goal.target * factor), most=32, seed=0)
        np.testing.assert_allclose(large["w"].says, told["w"].says, rtol=1e-4, atol=1e-6)
        assert np.isfinite(shown[block.features.present[block.index]]).all()


def test_a_cell_without_any_known_column():
    _, block, goal = make_data()
    told, _ = tell({"w": block}, goal, most=32, seed=0)
    fresh = sparse_block(np.zeros((2, WIDTH)), present=np.array([True, False]))
    got = told["w"].of(fresh, np.array([1, 0, 0]))
    np.testing.assert_array_equal(got, np.array([[np.nan] * 3, [0] * 3, [0] * 3], np.float32))
