"""One learner, and one rule, for each thing a task asks for: known rows teach, the rest is left alone, and all of it is
kept."""

import json

import numpy as np
import pytest

from consilience.core.config import Part
from consilience.core.state import State
from consilience.fusion import DECISION_FUSIONS
from consilience.modalities.base import Features
from consilience.models.base import Block
from consilience.models.learners import LEARNERS
from consilience.models.panel import Panel, fit_learner
from consilience.models.pooled import fit_rule, restore_rule, says
from consilience.tasks import TASKS

RNG = np.random.default_rng
LINEAR = Part(kind="linear", config=LEARNERS.load("linear").Config())


def made(rows=120, seed=0):
    """(blocks, task, target): tags and a price that numbers tell; some of them are not known."""
    rng = RNG(seed)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    tags = [tuple(t for t, v in zip("ab", row, strict=False) if v > 0) for row in x]
    prices = [None if n % 5 == 0 else float(3 * row[2]) for n, row in enumerate(x)]
    cells = list(zip(tags, prices, strict=True))
    task = TASKS.load("several").fit(cells, column="tags, price", columns=("tags", "price"))
    features = Features(matrix=x, present=np.ones(rows, bool), names=("p", "q", "r"))
    return {"x": Block(features=features, index=np.arange(rows))}, task, task.encode(cells, column="tags, price")


def fit(blocks, task, target, **how):
    return fit_learner(LINEAR, blocks, target, task, seed=0, seconds=60.0, **how)


def test_every_question_gets_its_learner_and_all_of_it_is_kept():
    blocks, task, target = made()
    panel = fit(blocks, task, target)
    answers = panel.predict(blocks)
    assert answers.shape == (120, 3)
    assert ((answers[:, :2] > 0.5) == (target[:, :2] > 0)).mean() > 0.95
    known = ~np.isnan(target[:, 2])
    assert np.corrcoef(answers[known, 2], target[known, 2])[0, 1] > 0.95
    state = panel.state()
    again = Panel.restore(State(arrays=state.arrays, meta=json.loads(json.dumps(state.meta))), task, kind="linear")
    assert (again.predict(blocks) == answers).all()


def test_rows_without_a_target_and_rows_of_no_weight_teach_nothing():
    blocks, task, target = made()
    want = fit(blocks, task, target).predict(blocks)
    odd = target.copy()
    odd[::2] = 1 - np.nan_to_num(odd[::2])
    weights = np.where(np.arange(120) % 2 == 0, 0.0, 1.0)
    weighed = fit(blocks, task, odd, weights=weights).predict(blocks)
    rows = np.arange(1, 120, 2)
    some = {n: b.take(rows) for n, b in blocks.items()}
    np.testing.assert_allclose(weighed, fit(some, task, target[rows]).predict(blocks), rtol=1e-9, atol=1e-12)
    assert not np.allclose(weighed, want)


def test_a_question_without_any_row_gets_its_constant_answer():
    blocks, task, target = made()
    target[:, 2] = np.nan
    answers = fit(blocks, task, target).predict(blocks)
    assert np.ptp(answers[:, 2]) == 0
    assert np.ptp(answers[:, 0]) > 0.5


@pytest.mark.parametrize("kind", list(DECISION_FUSIONS))
def test_rules_answer_all_questions_and_are_kept(kind):
    _, task, target = made()
    rng = RNG(1)
    truth = np.nan_to_num(target)

    def answers(noise):
        out = truth + rng.normal(0, noise, truth.shape)
        out[:, :2] = np.clip(0.5 + 0.4 * (2 * truth[:, :2] - 1) + rng.normal(0, 0.1 * noise, (120, 2)), 0.01, 0.99)
        return out

    both = {"good": answers(0.5), "poor": answers(3.0)}
    config = DECISION_FUSIONS.load(kind).Config()
    rule = fit_rule(Part(kind=kind, config=config), both, target, task)
    fused = rule.fuse(both)
    assert fused.shape == truth.shape
    assert ((fused[:, :2] >= 0) & (fused[:, :2] <= 1)).all()
    known = ~np.isnan(target[:, 2])
    assert np.abs(fused[known, 2] - target[known, 2]).mean() < np.abs(both["poor"][known, 2] - target[known, 2]).mean()
    state = rule.state()
    again = restore_rule(kind, State(arrays=state.arrays, meta=json.loads(json.dumps(state.meta))), task)
    assert (again.fuse(both) == fused).all()
    assert rule.used(both) <= set(both)
    assert says(rule, both)["good"] > 0
    gone = {**both, "poor": np.full_like(both["poor"], np.nan)}  # a model without an answer is left out
    assert np.isfinite(rule.fuse(gone)).all()


def test_a_task_of_one_question_has_a_plain_learner_and_a_plain_rule():
    blocks, _, _ = made()
    task = TASKS.load("classification")(["n", "y"])
    target = (blocks["x"].features.matrix[:, 0] > 0).astype(np.int64)
    assert type(fit(blocks, task, target)) is LEARNERS.load("linear")
    answers = {"a": np.eye(2)[target] * 0.8 + 0.1}
    rule = fit_rule(Part(kind="average", config=DECISION_FUSIONS.load("average").Config()), answers, target, task)
    assert type(rule) is DECISION_FUSIONS.load("average")
