"""Choosing among models that few rows cannot tell apart, and scoring ensembles on rows they did not learn from."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from consilience.core.progress import Deadline
from consilience.evaluate import chosen_by
from consilience.fusion import DECISION_FUSIONS
from consilience.models.constant import Constant
from consilience.tasks.classification import Classification
from consilience.tasks.regression import Regression
from consilience.workflows.config import resolve
from consilience.workflows.ensembles import ensembles, folds
from consilience.workflows.leaderboard import About, Entry, choose, measure, rank, unbeatable
from consilience.workflows.plan import settled

TASK = Classification(["a", "b"])


def prepared(target, task=TASK):
    part = SimpleNamespace(
        target=target,
        task=task,
        names=task.names,
        weights=None,
        groups=np.full(len(target), -1),
        widen=lambda answers: answers,
        learnable=lambda: (np.arange(len(target)), target, None),
    )
    return SimpleNamespace(task=task, parts={"valid": part})


def entry(name, answers, ready, *, ms=1.0, inputs=("x",)):
    member = Constant(answers[0])
    member.inputs = inputs
    measured = measure(ready, answers, "valid", seed=0)
    return Entry(about=About(name=name, preset="p"), member=member, answers=answers, measured=measured, ms_per_row=ms)


def sure(target, right, confidence):
    """Answers that are right on the first `right` rows, all with the same confidence."""
    hit = np.arange(len(target)) < right
    chance = np.where(hit == (target == 1), confidence, 1 - confidence)
    return np.stack([1 - chance, chance], 1)


def test_far_better_wins_whatever_its_cost():
    target = np.arange(400) % 2
    ready = prepared(target)
    good, poor = entry("good", sure(target, 380, 0.9), ready, ms=50), entry("poor", sure(target, 300, 0.9), ready)
    assert choose([poor, good], ready) is good


def test_among_neighbours_the_more_trustworthy_wins():
    target = np.arange(400) % 2
    ready = prepared(target)
    lucky = entry("lucky", sure(target, 341, 0.999), ready)
    honest = entry("honest", sure(target, 340, 0.85), ready, ms=5)
    assert rank(lucky, TASK) > rank(honest, TASK)
    assert choose([lucky, honest], ready) is honest


def test_among_equals_the_first_tried_wins_whatever_the_clock_says():
    target = np.arange(400) % 2
    ready = prepared(target)
    first, second = (entry(n, sure(target, 340, 0.85), ready, ms=ms) for n, ms in (("first", 9.0), ("second", 0.1)))
    assert choose([first, second], ready) is first
    assert choose([second, first], ready) is second


def test_out_of_fold_answers_decide_among_those_that_have_them():
    """Forty validation rows prefer the lucky one; four hundred training rows know better. The others are not in it."""
    few, many = np.arange(40) % 2, np.arange(400) % 2
    ready = prepared(few)
    ready.parts["train"] = prepared(many).parts["valid"]
    lucky = replace(entry("lucky", sure(few, 36, 0.85), ready), practice=sure(many, 300, 0.85))
    steady = replace(entry("steady", sure(few, 34, 0.85), ready), practice=sure(many, 380, 0.85))
    assert choose([replace(lucky, practice=None), replace(steady, practice=None)], ready).name == "lucky"
    assert choose([lucky, steady], ready) is steady
    poor, best = entry("poor", sure(few, 20, 0.85), ready), entry("best", sure(few, 40, 0.95), ready)
    assert choose([poor, lucky, steady], ready) is steady
    assert choose([lucky, steady, best], ready) is best


def test_numbers_are_chosen_by_their_error():
    target = np.random.default_rng(0).normal(size=200)
    ready = prepared(target, Regression(name="y", mean=0.0, deviation=1.0))
    near = entry("near", (target + 0.1)[:, None], ready, ms=9)
    far = entry("far", (target + 2.0)[:, None], ready)
    assert choose([far, near], ready) is near


def test_folds_keep_groups_together_and_cover_all_rows():
    groups = np.array([0, 0, 1, 1, 2, 2, -1, -1, -1, 3] * 5)
    found = list(folds(groups, seed=0))
    assert sorted(np.concatenate(found).tolist()) == list(range(50))
    for g in range(4):
        assert sum(bool((groups[rows] == g).any()) for rows in found) == 1
    assert len(found) == 5


@pytest.mark.parametrize("kind", DECISION_FUSIONS)
def test_noise_gains_nothing_from_an_ensemble(kind):
    """Rules are scored on rows they were not learned on: over pure noise no ensemble may look clever."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 600)
    ready = prepared(target)
    models = []
    for m in range(8):
        chance = rng.uniform(0.05, 0.95, 600)
        models.append(entry(f"m{m}", np.stack([1 - chance, chance], 1), ready))
    config = resolve({"target": "y"}, preset="classic", settings=[f'ensemble.rules=["{kind}"]'])
    (*_, made) = ensembles(models, ready, config, deadline=Deadline(60))
    assert 0.42 < made.metrics["accuracy"]["value"] < 0.58


def test_a_single_model_makes_no_ensemble():
    target = np.arange(100) % 2
    ready = prepared(target)
    only = entry("only", sure(target, 80, 0.9), ready)
    assert ensembles([only], ready, resolve({"target": "y"}, preset="classic"), deadline=Deadline(60)) == [only]


class Sighted(Constant):
    """Remembers the training rows it was fitted on, and answers those perfectly and all others by chance."""

    inputs = ("x",)

    def __init__(self, target, rows, seed):
        super().__init__(np.array([0.5, 0.5]))
        self.target, self.rows, self.seed = target, rows, seed

    def predict(self, view):
        chance = np.random.default_rng(self.seed).uniform(0.2, 0.8, len(self.target))
        chance[self.rows] = 0.99 * self.target[self.rows] + 0.005
        return np.stack([1 - chance, chance], 1)[view.rows]


def small_table(target):
    """Training and validation rows of which models know nothing but what they memorised."""
    ready = prepared(target)
    view = SimpleNamespace(take=lambda rows: SimpleNamespace(rows=rows))
    ready.parts["train"] = SimpleNamespace(target=target, weights=None, groups=np.arange(len(target)) // 4, view=view)
    return ready


def test_on_a_small_table_rules_learn_from_rows_that_no_model_was_fitted_on():
    target = np.random.default_rng(0).integers(0, 2, 400)
    ready, seen, models = small_table(target), [], []
    for m in range(3):

        def fold(rows, seconds, m=m):
            seen.append(rows)
            return Sighted(target, rows, m)

        chance = np.random.default_rng(m + 9).uniform(0.2, 0.8, 400)
        made = entry(f"m{m}", np.stack([1 - chance, chance], 1), ready)
        models.append(replace(made, about=replace(made.about, fold=fold)))
    settings = ['ensemble.rules=["stack"]', "ensemble.folds=4"]
    config = resolve({"target": "y"}, preset="classic", settings=settings)
    (*_, made) = ensembles(models, ready, config, deadline=Deadline(60))
    assert made.about.facts["learned_on"] == "out of fold"
    groups = np.arange(400) // 4
    for rows in seen:
        assert 250 < len(rows) < 350
        held = np.setdiff1d(np.arange(400), rows)
        assert not set(groups[rows]) & set(groups[held]), "dependent rows are on one side"
    weights = np.concatenate([v.ravel() for k, v in made.member.state().arrays.items() if k == "rule.weights"])
    assert np.abs(weights).max() < 0.6, "a rule that saw memorised answers would trust them far more"


@pytest.mark.parametrize("settings", [["ensemble.folds=0"], ["ensemble.fold_below=100"]])
def test_large_tables_and_those_who_say_so_learn_from_validation_rows(settings):
    target = np.random.default_rng(0).integers(0, 2, 400)
    ready = small_table(target)
    models = [entry(f"m{m}", sure(target, 300 + m, 0.8), ready) for m in range(3)]
    models = [replace(e, about=replace(e.about, fold=lambda rows, seconds: 1 / 0)) for e in models]
    config = resolve({"target": "y"}, preset="classic", settings=settings)
    for made in ensembles(models, ready, config, deadline=Deadline(60))[len(models) :]:
        assert made.about.facts["learned_on"] == "validation"


@pytest.mark.parametrize(
    ("rows", "right", "confidence", "ends"),
    [(400, 400, 0.99, True), (400, 399, 0.99, False), (400, 400, 0.7, False), (60, 60, 0.999, False)],
    ids=["all of many", "all but one", "all, but unsure", "all of few"],
)
def test_only_what_is_right_and_sure_on_many_rows_ends_a_search(rows, right, confidence, ends):
    target = np.arange(rows) % 2
    one = entry("one", sure(target, right, confidence), prepared(target))
    assert unbeatable(one, TASK) is ends


def test_a_search_does_not_end_before_each_input_and_the_preset_itself_had_a_turn():
    target = np.arange(400) % 2
    ready = prepared(target)
    perfect = [entry(name, sure(target, 400, 0.99), ready) for name in ("a", "b", "net")]

    def planned(name, inputs, preset="classic"):
        return SimpleNamespace(name=name, inputs=inputs, preset=preset)

    candidates = [planned("a", ("x",)), planned("b", ("z",)), planned("net", ("x", "z"), "deep")]
    assert settled(perfect[:1], candidates, TASK, preset="auto") is None
    assert settled(perfect[:2], candidates, TASK, preset="auto") == "a"
    assert settled(perfect[:2], candidates, TASK, preset="deep") is None
    assert settled(perfect, candidates, TASK, preset="deep") == "a"


def test_without_time_there_is_no_ensemble():
    target = np.arange(80) % 2
    ready = prepared(target)
    models = [entry(name, sure(target, 70, 0.9), ready) for name in "ab"]
    config = resolve({"target": "y"})
    assert ensembles(models, ready, config, deadline=Deadline(-1.0)) == models


def test_a_metric_that_the_user_chose_decides_whatever_the_log_loss_says():
    target = (np.arange(600) < 60).astype(int)
    rng = np.random.default_rng(0)
    task = chosen_by(TASK, "average_precision", np.array([0.9, 0.1]))
    ready = prepared(target, task)

    def ranked(gap, scale):
        chance = 1 / (1 + np.exp(-(scale * (gap * target + rng.normal(size=600)) - 3)))
        return np.stack([1 - chance, chance], 1)

    sharp, calm = entry("sharp", ranked(2.5, 4.0), ready), entry("calm", ranked(1.2, 0.8), ready)
    assert sharp.loss > calm.loss
    assert choose([calm, sharp], ready) is sharp
    assert choose([calm, sharp], prepared(target)) is calm
    assert rank(sharp, task) > rank(calm, task)


def test_of_models_level_by_a_chosen_metric_the_first_within_one_percent_of_the_best_wins():
    target = np.arange(400) % 2
    task = chosen_by(TASK, "balanced_accuracy", np.array([0.5, 0.5]))
    ready = prepared(target, task)
    first, second = entry("first", sure(target, 359, 0.9), ready), entry("second", sure(target, 361, 0.9), ready)
    assert choose([first, second], ready) is first
