"""KernelSvm: it bends, its kernels are what they say, landmarks stand for all rows, and large tables cost little."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel
from sklearn.svm import SVC

from consilience.core.sparse import CSR
from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners import kernel_svm as module
from consilience.models.learners.kernel_svm import KernelSvm
from consilience.models.learners.kernels import Kernel, Side

FOREVER = float("inf")


def make_block(matrix, index=None, present=None):
    present = np.ones(len(matrix), bool) if present is None else present
    names = tuple(map(str, range(matrix.shape[1])))
    features = Features(matrix=np.asarray(matrix, np.float32), present=present, names=names)
    return Block(features=features, index=np.arange(len(matrix)) if index is None else index)


def sparse(block):
    matrix = np.asarray(block.features.matrix)
    rows, columns = np.nonzero(matrix)
    ends = np.concatenate([[0], np.cumsum((matrix != 0).sum(1))])
    csr = CSR(values=matrix[rows, columns], indices=columns.astype(np.int32), indptr=ends, width=matrix.shape[1])
    return Block(features=Features(matrix=csr, present=block.features.present, names=block.features.names),
                 index=block.index)  # fmt: skip


def make_rings(rows=400, seed=0):
    """Two classes, one around the other: no straight line is better than the majority."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, rows)
    angle, radius = rng.uniform(0, 2 * np.pi, rows), 1 + 1.2 * target + 0.25 * rng.normal(size=rows)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), target


def make_goal(target, width=2, discrete=True):
    return Goal(target=target, width=width, discrete=discrete, weights=np.ones(len(target)))


def fit(blocks, goal, *, seconds=FOREVER, **config):
    return KernelSvm.fit(KernelSvm.Config(**config), blocks, goal, seed=0, seconds=seconds)


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_it_tells_apart_what_no_line_does(kernel):
    (matrix, target), (fresh, truth) = make_rings(), make_rings(seed=1)
    answers = fit({"x": make_block(matrix)}, make_goal(target), kernel=kernel).predict({"x": make_block(fresh)})
    assert (answers.argmax(1) == truth).mean() > 0.95
    line = fit({"x": make_block(matrix)}, make_goal(target), kernel="polynomial", degree=1)
    assert (line.predict({"x": make_block(fresh)}).argmax(1) == truth).mean() < 0.7
    assert -np.log(answers[np.arange(400), truth]).mean() < 0.2, "and its probabilities are good ones"


def test_numbers_bend_too():
    x = np.linspace(-3, 3, 300)[:, None]
    y = np.sin(2 * x[:, 0]) * 10 + 100
    answers = fit({"x": make_block(x)}, make_goal(y, 1, discrete=False), C=10.0, gamma=5.0).predict(
        {"x": make_block(x)}
    )
    assert np.abs(answers[:, 0] - y).mean() < 1.0


def test_decides_nearly_as_the_machine_of_scikit_learn():
    """Its hinge is not squared, so the two agree where it matters and not to the digit."""
    matrix, target = make_rings()
    ours = fit({"x": make_block(matrix)}, make_goal(target), gamma=0.5, C=1.0)
    theirs = SVC(gamma=0.5 / matrix.var(0).sum(), C=1.0).fit(matrix, target)
    fresh, _ = make_rings(seed=1)
    same = ours.predict({"x": make_block(fresh)}).argmax(1) == theirs.predict(fresh)
    assert same.mean() > 0.97


@pytest.mark.parametrize("kind", ["rbf", "polynomial"])
@pytest.mark.parametrize("form", [lambda block: block, sparse], ids=["dense", "sparse"])
def test_kernels_are_their_formulas(kind, form):
    rng = np.random.default_rng(0)
    words = rng.random((30, 6)) * (rng.random((30, 6)) < 0.5)
    block = form(make_block(words))
    if form is not sparse:  # as the design scales them
        words = (words - words.mean(0)) / words.std(0)
    side = Side.fit(block, np.ones(30), np.arange(0, 30, 2))
    middle = ((words[::2] - words[::2].mean(0)) ** 2).sum(1).mean()
    got = Kernel(kind=kind, gamma=0.7, degree=2).between({"x": block}, {"x": side})
    if kind == "rbf":
        want = rbf_kernel(words, words[::2], gamma=0.7 / middle)
    else:
        want = polynomial_kernel(words, words[::2], gamma=0.7 / middle, degree=2, coef0=1)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_a_missing_cell_is_a_point_of_its_own():
    matrix = np.random.default_rng(0).normal(size=(9, 3))
    matrix[8] = 777.0  # whatever stands there
    block = make_block(matrix, present=np.arange(9) < 8)
    side = Side.fit(block, np.ones(9), np.arange(9))
    likeness = Kernel(kind="rbf", gamma=1.0, degree=3).between({"x": block}, {"x": side})
    assert likeness[8, 8] == 1.0
    assert (likeness[8, :8] < 0.6).all()
    assert (np.linalg.eigvalsh(likeness) > -1e-12).all(), "still a kernel"


def test_inputs_count_alike_whatever_their_width():
    """A hundred columns of noise do not drown two that matter; in one input they would."""
    matrix, target = make_rings()
    noise = np.random.default_rng(5).normal(size=(400, 100))
    goal, rows, rest = make_goal(target[:300]), np.arange(300), np.arange(300, 400)

    def right(blocks):
        model = fit({name: block.take(rows) for name, block in blocks.items()}, goal)
        answers = model.predict({name: block.take(rest) for name, block in blocks.items()})
        return (answers.argmax(1) == target[300:]).mean()

    apart = right({"x": make_block(matrix), "n": make_block(noise)})
    together = right({"x": make_block(np.concatenate([matrix, noise], 1))})
    assert apart > together + 0.1


def test_landmarks_stand_for_all_rows():
    matrix, target = make_rings(rows=900)
    blocks, goal = {"x": make_block(matrix)}, make_goal(target)
    whole, some = fit(blocks, goal, landmarks=900), fit(blocks, goal, landmarks=100)
    assert some.state().arrays["coefficients"].shape == (100, 2)
    fresh = {"x": make_block(make_rings(seed=1)[0])}
    assert np.abs(whole.predict(fresh) - some.predict(fresh)).mean() < 0.03
    # Rows that are no landmarks are fitted as well: with the others' targets turned round the answer turns.
    kept, turned = some.state().arrays["0.place"], target.copy()
    held = {tuple(row) for row in np.round(some.state().arrays["0.points"], 9)[kept]}
    points = np.round(fit(blocks, goal, landmarks=900).state().arrays["0.points"], 9)
    others = np.array([tuple(row) not in held for row in points])
    turned[others] = 1 - turned[others]
    answers = fit(blocks, make_goal(turned), landmarks=100).predict(blocks)
    assert (answers.argmax(1)[others] == turned[others]).mean() > 0.9


def test_large_tables_and_short_times_have_fewer_landmarks_and_all_rows(monkeypatch):
    matrix, target = make_rings(rows=2000)
    blocks, goal = {"x": make_block(matrix)}, make_goal(target)
    monkeypatch.setattr(module, "_NUMBERS", 2000 * 40)
    small = fit(blocks, goal)
    assert small.state().arrays["coefficients"].shape == (40, 2)
    assert (small.predict(blocks).argmax(1) == target).mean() > 0.9
    hurried = fit(blocks, goal, seconds=0.0)
    assert hurried.state().arrays["coefficients"].shape == (16, 2)


@pytest.mark.parametrize("settings", [{"kernel": "linear"}, {"gamma": 0.0}, {"degree": 0}, {"landmarks": 0}], ids=str)
def test_impossible_settings_are_refused(settings):
    from consilience.core.config import decode
    from consilience.core.errors import ConfigError

    with pytest.raises(ConfigError, match=next(iter(settings))):
        decode(KernelSvm.Config, settings)
