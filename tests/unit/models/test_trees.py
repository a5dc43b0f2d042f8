"""Trees: our copy answers as LightGBM's original does, columns are chosen well, every setting counts."""

import builtins
import ctypes

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from consilience.core.errors import ConsilienceError, UserError
from consilience.core.sparse import CSR
from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners import boosting
from consilience.models.learners import trees as module
from consilience.models.learners.columns import choose, gather
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


def theirs(matrix, target, weights=None, rounds=12, **settings):
    """LightGBM by itself."""
    settings = {"num_leaves": 40, "min_data_in_leaf": 5, "max_bin": 63, "min_data_in_bin": 1, "min_gain_to_split": 1e-6,
                "deterministic": True, "verbosity": -1, "num_threads": 1, **settings}  # fmt: skip
    data = lightgbm.Dataset(matrix, label=target, weight=weights, params=settings)
    return lightgbm.train(settings, data, num_boost_round=rounds)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_answers_as_lightgbm_does(classes, weighted):
    matrix, target = make_rows(classes=classes)
    weights = np.random.default_rng(1).uniform(0.5, 2, 500) if weighted else np.ones(500)
    config = Trees.Config(
        max_iter=12, learning_rate=0.3, l2=1.0, max_leaf_nodes=40, min_samples_leaf=5, rows_per_leaf=1
    )
    names = np.array([1, 3, 4, 7, 8])[:classes]  # classes that no row has lie between
    goal = make_goal(names[target], 9, weights)
    ours = Trees.fit(config, {"x": dense_block(matrix)}, goal, seed=0, seconds=FOREVER)
    steep = 1.25 if classes == 5 else 1.0
    objective = {"objective": "multiclass", "num_class": 5} if classes == 5 else {"objective": "binary"}
    model = theirs(
        matrix, target, weights if weighted else None, learning_rate=0.3 * steep, lambda_l2=steep, **objective
    )
    fresh = make_rows(count=1500, seed=9)[0]
    fresh[:40, :] = np.nan
    expected = model.predict(fresh)
    expected = expected if classes == 5 else np.stack([1 - expected, expected], axis=1)
    got = ours.predict({"x": dense_block(fresh)})
    np.testing.assert_allclose(got[:, names], expected, rtol=0, atol=1e-12)
    assert got.shape == (1500, 9)
    assert (np.delete(got, names, axis=1) == 0).all()


@pytest.mark.parametrize("classes", [2, 5])
def test_is_no_worse_than_scikit_learn_with_the_same_settings(classes):
    (matrix, target), (fresh, answer) = make_rows(3000, classes), make_rows(3000, classes, seed=9)
    ours = Trees.fit(Trees.Config(rows_per_leaf=1), {"x": dense_block(matrix)}, make_goal(target, classes), seed=0,
                     seconds=FOREVER)  # fmt: skip
    plain = HistGradientBoostingClassifier(
        max_iter=30, learning_rate=0.2, l2_regularization=3, max_bins=63, early_stopping=False
    ).fit(matrix, target)
    loss, reference = (
        log_loss(answer, p) for p in (ours.predict({"x": dense_block(fresh)}), plain.predict_proba(fresh))
    )
    assert loss < 1.03 * reference


@pytest.mark.parametrize(("middle", "unit"), [(0.0, 10.0), (1.7e9, 1.0), (0.0, 1e-9)])
def test_numbers_as_lightgbm_does_in_whatever_unit(middle, unit):
    matrix, target = make_rows()
    matrix[:, 0] = target + np.linspace(0, 0.5, 500)
    goal = make_goal(middle + target * unit)
    ours = Trees.fit(Trees.Config(max_iter=40, rows_per_leaf=1), {"x": dense_block(matrix)}, goal, seed=0,
                     seconds=FOREVER)  # fmt: skip
    scaled = (target - target.mean()) / target.std()
    model = theirs(matrix, scaled, rounds=40, objective="regression", learning_rate=0.2, lambda_l2=3.0,
                   min_data_in_leaf=20, num_leaves=31)  # fmt: skip
    got = (ours.predict({"x": dense_block(matrix)})[:, 0] - middle) / unit
    np.testing.assert_allclose(got, model.predict(matrix) * target.std() + target.mean(), rtol=0,
                               atol=1e-12 + 1e-15 * middle)  # fmt: skip
    assert np.abs(got - target).mean() < 0.1


def test_what_was_never_missing_in_training_goes_where_most_rows_went():
    matrix = np.arange(100, dtype=np.float32)[:, None]
    for target, answer in ((matrix[:, 0] >= 70, 0), (matrix[:, 0] >= 30, 1)):
        blocks, goal = {"x": dense_block(matrix)}, make_goal(target.astype(int), 2)
        fitted = Trees.fit(Trees.Config(), blocks, goal, seed=0, seconds=FOREVER)
        assert fitted.predict({"x": dense_block(np.full((1, 1), np.nan))}).argmax(1) == answer


@pytest.mark.parametrize("early_stopping", [False, True])
def test_missing_numbers_that_lightgbm_did_not_look_at_go_where_it_sends_them(monkeypatch, early_stopping):
    """It looks at some of the rows it learns from to see whether anything is missing in a column."""
    monkeypatch.setattr(boosting, "_SAMPLE", 400 if early_stopping else 50)
    config = Trees.Config(max_iter=3, early_stopping=early_stopping)
    usual, models = module.boost, []

    def boost(*given, **settings):
        models.append(usual(*given, **settings))
        return models[-1]

    monkeypatch.setattr(module, "boost", boost)
    rng = np.random.default_rng(0)
    for seed in range(6):
        matrix = rng.normal(5.0, 3.0, size=(400, 2)).astype(np.float32)
        goal = make_goal((matrix[:, 0] > 4.3) * 1, 2)
        held = module._held_out(config, {"x": dense_block(matrix)}, goal, seed)
        matrix[held.argmax(), 0] = np.nan  # the first row, or the first one that is held out
        fitted = Trees.fit(config, {"x": dense_block(matrix)}, goal, seed=seed, seconds=FOREVER)
        second = fitted.predict({"x": dense_block(matrix)})[:, 1]
        np.testing.assert_allclose(second, models[-1].predict(matrix, num_threads=1), rtol=0, atol=1e-12)


def test_numbers_next_to_zero_and_infinite_ones():
    rng = np.random.default_rng(0)
    tiny = np.float32(1e-35)
    for some in ([-1.0, -tiny, 0.0], [tiny, 0.0, 1.0], [-tiny, tiny], [np.inf, np.nan, 1.0], [-np.inf, np.nan, 3e38]):
        matrix = rng.choice(np.array(some, np.float32), size=(300, 3))
        target = (np.nan_to_num(matrix[:, 0], nan=7.0) > -0.5) * 1
        blocks = {"x": dense_block(matrix)}
        fitted = Trees.fit(Trees.Config(max_iter=5), blocks, make_goal(target, 2), seed=0, seconds=FOREVER)
        assert np.isfinite(fitted.predict(blocks)).all()


def test_thresholds_between_neighbouring_floats_stay_exact():
    # LightGBM cuts in the middle of two float32, which is no float32: rounding it to the nearest would move rows.
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2))
    matrix = np.array([low, high] * 30, np.float32)[:, None]
    target = np.tile([0, 1], 30)
    ours = Trees.fit(Trees.Config(max_iter=3), {"x": dense_block(matrix)}, make_goal(target, 2), seed=0,
                     seconds=FOREVER)  # fmt: skip
    assert np.array_equal(ours.predict({"x": dense_block(matrix)}).argmax(1), target)


def test_the_clock_ends_boosting_after_a_round_or_more(monkeypatch):
    matrix, target = make_rows()
    blocks, goal = {"x": dense_block(matrix)}, make_goal(target, 5)
    short, one, long = (
        Trees.fit(Trees.Config(max_iter=rounds), blocks, goal, seed=0, seconds=seconds)
        for rounds, seconds in ((9, 0.0), (1, FOREVER), (9, 1e6))
    )
    assert [fitted.state().meta["iterations"] for fitted in (short, one, long)] == [1, 1, 9]
    assert np.array_equal(short.predict(blocks), one.predict(blocks))


@pytest.mark.parametrize("discrete", [True, False])
def test_early_stopping_keeps_the_rounds_that_gained(discrete):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(600, 5)).astype(np.float32)
    noise = (matrix[:, 0] + 3 * rng.normal(size=600) > 0) * 1
    blocks, goal = {"x": dense_block(matrix)}, make_goal(noise if discrete else noise * 1.0, 2 if discrete else None)
    stopped = Trees.fit(Trees.Config(max_iter=80, early_stopping=True), blocks, goal, seed=0, seconds=FOREVER)
    iterations = stopped.state().meta["iterations"]
    assert 0 < iterations < 40
    again = Trees.fit(Trees.Config(max_iter=iterations, early_stopping=True), blocks, goal, seed=0, seconds=FOREVER)
    assert np.array_equal(again.predict(blocks), stopped.predict(blocks))


@pytest.mark.parametrize("seed", range(8))
def test_early_stopping_keeps_groups_together_but_holds_no_class_out(seed):
    matrix, _ = make_rows(300, 2)
    groups = np.arange(300) // 30
    target = (groups == 4) * 1
    matrix[:, 0] = target
    goal = Goal(target=target, width=2, discrete=True, weights=np.ones(300), groups=groups)
    blocks = {"x": dense_block(matrix)}
    fitted = Trees.fit(Trees.Config(early_stopping=True), blocks, goal, seed=seed, seconds=FOREVER)
    assert np.array_equal(fitted.predict(blocks).argmax(1), target)
    held = module._held_out(Trees.Config(early_stopping=True), blocks, goal, seed)
    assert held.sum() in (0, 30)
    assert len(np.unique(groups[held])) <= 1
    large = np.where(np.arange(300) < 280, 0, np.arange(300))
    held = module._held_out(
        Trees.Config(early_stopping=True), blocks, Goal(target=np.arange(300) % 2, width=2, discrete=True,
                                                        weights=np.ones(300), groups=large), seed
    )  # fmt: skip
    assert 0 < held.sum() < 90 or not held.any()


def test_nothing_is_printed_and_nothing_fails_where_there_is_little_to_learn(capfd):
    matrix, target = make_rows()
    nothing = np.ones((500, 3), np.float32)
    for columns, wanted, classes in (
        (nothing, target, 5), (nothing, target % 2, 2), (nothing, target * 1.0, None), (matrix[:3], target[:3], 5),
        (matrix[:1], target[:1] * 1.0, None), (matrix, np.ones(500), None), (np.full_like(nothing, np.nan), target, 5),
        (matrix, np.full(500, 1e-300) + (target == 0) * 1e-300, None), (matrix, (target == 0) * 5e-324, None),
    ):  # fmt: skip
        blocks = {"x": dense_block(columns)}
        fitted = Trees.fit(Trees.Config(), blocks, make_goal(wanted, classes), seed=0, seconds=FOREVER)
        assert np.isfinite(fitted.predict(blocks)).all()
        again = Trees.restore(fitted.state())
        assert np.array_equal(again.predict(blocks), fitted.predict(blocks))
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


def test_where_the_system_has_no_openmp_library_that_of_pytorch_will_do(monkeypatch):
    usual, tried, loaded = builtins.__import__, [], []

    def broken(name, *rest):
        if name == "lightgbm":
            tried.append(name)
            if len(tried) == 1 or not loaded:
                raise OSError("libgomp.so.1: cannot open shared object file")
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)
    monkeypatch.setattr(ctypes, "CDLL", lambda path, mode: loaded.append(path))
    assert boosting._lightgbm() is lightgbm
    assert loaded[0].endswith("libgomp.so.1")
    loaded.clear()
    monkeypatch.setattr(boosting, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="libgomp1"):
        boosting._lightgbm()


def test_a_copy_that_differs_is_refused(monkeypatch):
    matrix, target = make_rows()
    right = module.forest_of

    def wrong(model, matrix):
        forest = right(model, matrix)
        forest.value[forest.left < 0] *= 1.01
        return forest

    monkeypatch.setattr(module, "forest_of", wrong)
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
    fitted, plain = (
        Trees.fit(Trees.Config(), blocks, make_goal(target, 5), seed=0, seconds=FOREVER)
        for blocks in ({"x": dense_block(matrix), "y": dense_block(rare[:, [0, 1, 4, 5]])}, {"x": dense_block(matrix)})
    )
    assert fitted.state().meta["inputs"] == ["x"]
    assert np.array_equal(fitted.predict({"x": dense_block(matrix)}), plain.predict({"x": dense_block(matrix)}))


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
