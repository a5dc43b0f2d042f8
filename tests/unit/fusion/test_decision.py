"""The contract of every decision fusion, and what is special about each. A new one is tested by being listed."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from consilience.core.errors import UserError
from consilience.core.state import State
from consilience.fusion import DECISION_FUSIONS
from consilience.fusion.decision.average import Average
from consilience.fusion.decision.stack import Stack
from consilience.fusion.decision.vote import Vote
from consilience.fusion.decision.weighted import Weighted


def make_answers(rows=200, *, seed=0, discrete=True):
    """A good model, a fair one, and one that knows nothing; and the truth."""
    rng = np.random.default_rng(seed)
    skill = {"good": 3.0, "fair": 1.0, "useless": 0.0}
    if not discrete:
        target = rng.normal(size=rows) * 10 + 50
        width = {"good": 1.0, "fair": 3.0, "useless": 30.0}
        return {n: (target + rng.normal(size=rows) * w)[:, None] for n, w in width.items()}, target
    target = rng.integers(0, 4, rows)
    answers = {}
    for name, strength in skill.items():
        scores = rng.normal(size=(rows, 4)) * 1.5
        scores[np.arange(rows), target] += strength
        answers[name] = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return answers, target


def with_gaps(answers, seed=1):
    rng = np.random.default_rng(seed)
    return {name: np.where(rng.random((len(a), 1)) < 0.3, np.nan, a) for name, a in answers.items()}


def fit(fusion, answers, target, *, discrete=True, **config):
    return fusion.fit(fusion.Config(**config), answers, target, discrete=discrete)


@pytest.fixture(params=list(DECISION_FUSIONS))
def fusion(request):
    return DECISION_FUSIONS.load(request.param)


@pytest.fixture(params=[True, False], ids=["classes", "numbers"])
def discrete(request):
    return request.param


def test_answers_have_the_form_of_answers(fusion, discrete):
    answers, target = make_answers(discrete=discrete)
    gaps = with_gaps(answers)
    fused = fit(fusion, gaps, target, discrete=discrete).fuse(gaps)
    assert fused.shape == answers["good"].shape
    assert fused.dtype == np.float64
    assert np.isfinite(fused).all()
    if discrete:
        np.testing.assert_allclose(fused.sum(1), 1, atol=1e-12)
        assert (fused >= 0).all()


def test_order_of_models_is_irrelevant(fusion, discrete):
    answers, target = make_answers(discrete=discrete)
    answers = with_gaps(answers)
    turned = dict(reversed(list(answers.items())))
    one, two = (fit(fusion, a, target, discrete=discrete) for a in (answers, turned))
    assert np.array_equal(one.fuse(answers), two.fuse(turned))


def test_a_row_is_fused_alike_alone_and_among_others(fusion, discrete):
    answers, target = make_answers(discrete=discrete)
    answers = with_gaps(answers)
    fitted = fit(fusion, answers, target, discrete=discrete)
    together = fitted.fuse(answers)
    order = np.random.default_rng(0).permutation(len(target))
    assert np.array_equal(fitted.fuse({n: a[order] for n, a in answers.items()}), together[order])
    assert np.array_equal(fitted.fuse({n: a[3:4] for n, a in answers.items()}), together[3:4])


def test_a_model_without_an_answer_is_left_out(fusion, discrete):
    answers, target = make_answers(discrete=discrete)
    fitted = fit(fusion, answers, target, discrete=discrete)
    silent = {**answers, "fair": np.full_like(answers["fair"], np.nan)}
    without = {name: a for name, a in answers.items() if name != "fair"}
    np.testing.assert_allclose(fitted.fuse(silent), fitted.fuse(without), rtol=1e-12)
    alone = {name: a if name == "good" else np.full_like(a, np.nan) for name, a in answers.items()}
    if fusion is Vote and discrete:
        assert np.array_equal(fitted.fuse(alone).argmax(1), answers["good"].argmax(1))
    else:
        np.testing.assert_allclose(fitted.fuse(alone), answers["good"], rtol=1e-12)


def test_no_answer_at_all(fusion, discrete):
    answers, target = make_answers(discrete=discrete)
    fitted = fit(fusion, answers, target, discrete=discrete)
    nothing = {name: np.full_like(a, np.nan) for name, a in answers.items()}
    expected = 0.25 if discrete else target.mean()
    np.testing.assert_allclose(fitted.fuse(nothing), expected, rtol=1e-12)
    still = fit(fusion, nothing, target, discrete=discrete)  # nothing to learn from is no error either
    assert np.isfinite(still.fuse(answers)).all()


def test_survives_saving_bit_for_bit(fusion, discrete, tmp_path):
    answers, target = make_answers(discrete=discrete)
    fitted = fit(fusion, answers, target, discrete=discrete)
    state = fitted.state()
    save_file(state.arrays, tmp_path / "w.safetensors")
    again = fusion.restore(State(arrays=load_file(tmp_path / "w.safetensors"), meta=json.loads(json.dumps(state.meta))))
    gaps = with_gaps(answers)
    assert np.array_equal(again.fuse(gaps), fitted.fuse(gaps))


def test_one_model_alone_is_repeated(fusion, discrete):
    answers, target = make_answers(discrete=discrete)
    only = {"good": answers["good"]}
    fused = fit(fusion, only, target, discrete=discrete).fuse(only)
    if fusion is Vote and discrete:
        assert np.array_equal(fused.argmax(1), only["good"].argmax(1))
    else:
        np.testing.assert_allclose(fused, only["good"], rtol=1e-12)


def test_no_model_is_refused(fusion):
    with pytest.raises(UserError, match="at least one model"):
        fit(fusion, {}, np.zeros(3, int))


def test_average_is_the_mean():
    answers = {"a": np.array([[0.9, 0.1]]), "b": np.array([[0.3, 0.7]])}
    np.testing.assert_allclose(fit(Average, answers, np.array([0])).fuse(answers), [[0.6, 0.4]])


def test_a_vote_counts_heads_and_breaks_ties_by_confidence():
    answers = {
        "a": np.array([[0.99, 0.01, 0.0], [0.4, 0.6, 0.0]]),
        "b": np.array([[0.4, 0.6, 0.0], [0.7, 0.3, 0.0]]),
        "c": np.array([[0.4, 0.6, 0.0], [np.nan] * 3]),
    }
    fused = fit(Vote, answers, np.array([0, 0])).fuse(answers)
    assert fused.argmax(1).tolist() == [1, 0]
    np.testing.assert_allclose(fused, [[1 / 3, 2 / 3, 0], [0.5, 0.5, 0]], atol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_vote_on_numbers_is_the_median(count):
    rng = np.random.default_rng(count)
    answers = {str(m): rng.normal(size=(6, 1)) for m in range(5)}
    for m in range(count, 5):
        answers[str(m)][:] = np.nan
    fused = fit(Vote, answers, np.zeros(6), discrete=False).fuse(answers)
    np.testing.assert_allclose(fused, np.nanmedian(np.stack(list(answers.values())), axis=0))


def quality(fused, target, discrete):
    if discrete:
        return -np.log(fused[np.arange(len(target)), target]).mean()
    return ((fused[:, 0] - target) ** 2).mean()


@pytest.mark.parametrize("gaps", [False, True])
def test_learned_weights_beat_the_average_and_ignore_a_useless_model(discrete, gaps):
    answers, target = make_answers(rows=600, discrete=discrete)
    fresh, truth = make_answers(rows=600, seed=7, discrete=discrete)
    if gaps:
        answers, fresh = with_gaps(answers), with_gaps(fresh)
    fitted, average = (fit(f, answers, target, discrete=discrete) for f in (Weighted, Average))
    assert fitted.weights["useless"] < 0.05
    assert fitted.weights["good"] > 0.6
    assert sum(fitted.weights.values()) == pytest.approx(1)
    assert quality(fitted.fuse(fresh), truth, discrete) < quality(average.fuse(fresh), truth, discrete)


def test_learned_weights_are_the_best_on_the_simplex(discrete):
    answers, target = make_answers(rows=300, discrete=discrete)
    best = fit(Weighted, answers, target, discrete=discrete, pull=0.0)
    found = quality(best.fuse(answers), target, discrete)
    for a in np.linspace(0, 1, 21):
        for b in np.linspace(0, 1 - a, 11):
            weights = {"good": a, "fair": b, "useless": 1 - a - b}
            mixed = sum(w * answers[name] for name, w in weights.items())
            assert found <= quality(np.maximum(mixed, 1e-300), target, discrete) + 1e-6


def test_few_validation_rows_leave_the_weights_near_equal(discrete):
    answers, target = make_answers(rows=3, discrete=discrete)
    pulled, free = (fit(Weighted, answers, target, discrete=discrete, pull=p) for p in (10.0, 0.0))
    assert max(pulled.weights.values()) < 0.6
    assert max(free.weights.values()) > max(pulled.weights.values())


def test_the_number_of_steps_counts():
    answers, target = make_answers()
    short, long = (fit(Weighted, answers, target, max_iter=n) for n in (1, 500))
    assert short.weights != long.weights


def test_equal_models_get_equal_weights(discrete):
    answers, target = make_answers(discrete=discrete)
    twins = {"a": answers["fair"], "b": answers["fair"]}
    assert fit(Weighted, twins, target, discrete=discrete).weights == pytest.approx({"a": 0.5, "b": 0.5})


def stacked_loss(fitted, answers, target, each, pull):
    """The loss that stacking promises to make small, written out plainly."""
    arrays = fitted.state().arrays
    inputs = np.log(np.stack([answers[name] for name in sorted(answers)]))
    scores = np.einsum("mnk,mk->nk", inputs, arrays["weights"]) + arrays["bias"]
    losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(len(target)), target]
    away = ((arrays["weights"] - 1 / len(answers)) ** 2).sum() + (arrays["bias"] ** 2).sum()
    return float(each @ losses + 0.5 * pull * away)


def test_stacking_reaches_the_bottom_in_few_steps_also_of_models_that_are_much_alike():
    answers, target = make_answers(rows=600)
    rng = np.random.default_rng(3)
    for number in range(6):  # nearly copies of the good model, more or less sure of themselves
        powers = answers["good"] ** rng.uniform(0.3, 2) * np.exp(0.05 * rng.normal(size=(600, 4)))
        answers[f"copy{number}"] = powers / powers.sum(1, keepdims=True)
    each = rng.integers(1, 4, 600).astype(float)
    losses = []
    for steps in (20, 2000):
        fitted = Stack.fit(Stack.Config(max_iter=steps, pull=5.0), answers, target, discrete=True, weights=each)
        losses.append(stacked_loss(fitted, answers, target, each, 5.0))
    quick, bottom = losses
    assert quick == pytest.approx(bottom, rel=1e-4)
    arrays = fitted.state().arrays
    for name, step in [("weights", 1e-4), ("bias", 1e-4)]:  # it is one: a step to any side leads up
        for place in np.ndindex(arrays[name].shape):
            for sign in (1, -1):
                moved = {**arrays, name: arrays[name].copy()}
                moved[name][place] += sign * step
                other = Stack.restore(State(arrays=moved, meta=fitted.state().meta))
                assert stacked_loss(other, answers, target, each, 5.0) > bottom - 1e-6


def test_a_perfect_model_is_no_problem(discrete):
    _, target = make_answers(discrete=discrete)
    perfect = np.eye(4)[target] if discrete else target[:, None]
    wrong = np.eye(4)[(target + 1) % 4] if discrete else target[:, None] + 5
    fitted = fit(Weighted, {"right": perfect, "wrong": wrong}, target, discrete=discrete)
    assert fitted.weights["right"] > 0.9


def test_a_model_that_was_not_weighed_is_refused():
    answers, target = make_answers()
    fitted = fit(Weighted, answers, target)
    with pytest.raises(UserError, match=r"unknown model 'goood'.*Did you mean 'good'"):
        fitted.fuse({"goood": answers["good"]})


@pytest.mark.parametrize("settings", [{"pull": -1.0}, {"max_iter": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Weighted.Config(**settings)


@pytest.mark.parametrize("kind", list(DECISION_FUSIONS))
@pytest.mark.parametrize("discrete", [True, False])
def test_rows_count_by_their_weights(kind, discrete):
    """A row of weight 0 teaches nothing, and one of weight 2 what two rows do."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 60) if discrete else rng.normal(size=60)
    make = (lambda: rng.dirichlet(np.ones(3), 60)) if discrete else (lambda: target[:, None] + rng.normal(size=(60, 1)))
    answers = {name: make() for name in "ab"}
    often = np.tile([0, 1, 2], 20)
    rule = DECISION_FUSIONS.load(kind)
    weighted = rule.fit(rule.Config(), answers, target, discrete=discrete, weights=often.astype(float))
    rows = np.repeat(np.arange(60), often)
    repeated = rule.fit(rule.Config(), {n: a[rows] for n, a in answers.items()}, target[rows], discrete=discrete)
    fresh = {name: make() for name in "ab"}
    np.testing.assert_allclose(weighted.fuse(fresh), repeated.fuse(fresh), rtol=1e-5, atol=1e-6)
