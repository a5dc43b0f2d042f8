"""Every decision-level fusion: it makes better answers of good ones, nothing of answers that know nothing, and every
key of its config does something. A new one fails until its keys are in OTHERS; the rest of the contract is in
tests/unit/fusion/test_decision.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from behaviour import idle_keys

from consilience.fusion import DECISION_FUSIONS

OTHERS = {
    "average": {},
    "product": {"sharpness": 0.5},
    "select": {"steps": 1},
    "stack": {"pull": 500.0, "max_iter": 1},
    "vote": {},
    "weighted": {"pull": 500.0, "max_iter": 1, "least": 0.4},
}
"""Another value for every key of every rule's config."""


def make_answers(rows, *, seed, discrete, skill=(1.6, 1.2, 0.8)):
    """Three models that err apart from each other, and the truth."""
    rng = np.random.default_rng(seed)
    if not discrete:
        target = rng.normal(size=rows) * 10 + 50
        return {f"m{i}": (target + rng.normal(size=rows) * 9 / s)[:, None] for i, s in enumerate(skill)}, target
    target = rng.integers(0, 4, rows)
    answers = {}
    for i, strength in enumerate(skill):
        scores = rng.normal(size=(rows, 4))
        scores[np.arange(rows), target] += strength
        answers[f"m{i}"] = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return answers, target


def merit(answers, target, discrete):
    if discrete:
        return float((answers.argmax(1) == target).mean())
    return float(1 - ((answers[:, 0] - target) ** 2).mean() / target.var())


@pytest.fixture(params=list(DECISION_FUSIONS))
def kind(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["classes", "numbers"])
def discrete(request):
    return request.param


def fused(kind, known, target, fresh, *, discrete):
    rule = DECISION_FUSIONS.load(kind)
    return rule.fit(rule.Config(), known, target, discrete=discrete).fuse(fresh)


def test_it_is_better_than_the_models_and_finds_nothing_in_nothing(kind, discrete):
    known, target = make_answers(600, seed=0, discrete=discrete)
    fresh, truth = make_answers(600, seed=1, discrete=discrete)
    alone = [merit(answers, truth, discrete) for answers in fresh.values()]
    assert merit(fused(kind, known, target, fresh, discrete=discrete), truth, discrete) > np.mean(alone) + 0.03
    shuffled = np.random.default_rng(2).permutation(600)
    chance = merit(fused(kind, known, target[shuffled], fresh, discrete=discrete), truth[shuffled], discrete)
    assert chance < (0.33 if discrete else 0.1)


def test_every_key_does_something(kind):
    """For classes or for numbers: some are for one of them."""
    rule = DECISION_FUSIONS.load(kind)
    known, fresh = ({d: make_answers(80, seed=s, discrete=d) for d in (True, False)} for s in (0, 1))

    def look(config):
        return [rule.fit(config, *known[d], discrete=d).fuse(fresh[d][0]) for d in (True, False)]

    assert idle_keys(rule.Config, OTHERS[kind], look) == []
