"""The contract of every task. A new one is tested by being listed, and by one line of example cells here."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

import consilience as cs
from consilience.evaluate import METRICS, metric_set, point, score
from consilience.tasks import TASKS

RNG = np.random.default_rng
ROWS = 120


def tags(rng):
    return [[t for t in "abc" if rng.random() < 0.4] for _ in range(ROWS)]


def several(rng):
    lists = [None if rng.random() < 0.1 else tuple(cell) for cell in tags(rng)]
    prices = [None if rng.random() < 0.2 else float(v) for v in rng.normal(10, 3, ROWS)]
    # No row lacks all of them.
    return [("xyz"[k], price, cell) for k, price, cell in zip(rng.integers(0, 3, ROWS), prices, lists, strict=True)]


@dataclass
class Example:
    """Cells of a target, and how its task is made."""

    cells: Callable
    columns: tuple = ()
    settings: dict = field(default_factory=dict)


EXAMPLES = {
    "classification": Example(lambda rng: ["xyz"[k] for k in rng.integers(0, 3, ROWS)]),
    "regression": Example(lambda rng: [float(v) for v in rng.normal(50, 9, ROWS)]),
    "multilabel": Example(tags),
    "multilabel/columns": Example(
        lambda rng: [(int(rng.random() < 0.5), None if rng.random() < 0.1 else True, "no") for _ in range(ROWS)],
        columns=("p", "q", "r"),
    ),
    "ordinal": Example(
        lambda rng: [["low", "mid", "high", "top"][k] for k in rng.integers(0, 4, ROWS)],
        settings={"order": ("low", "mid", "high", "top")},
    ),
    "several": Example(several, columns=("class", "price", "tags")),
}


def test_every_task_has_an_example_and_metrics():
    assert {name.partition("/")[0] for name in EXAMPLES} == set(TASKS) == set(METRICS)


@pytest.fixture(params=list(EXAMPLES))
def made(request):
    """(fitted task, its cells, its encoded target)"""
    example = EXAMPLES[request.param]
    cls = TASKS.load(request.param.partition("/")[0])
    cells = example.cells(RNG(0))
    config = cls.Config(**example.settings)
    task = cls.fit(cells, column="y", config=config, columns=example.columns)
    return task, cells, task.encode(cells, column="y")


def answers_of(task, seed=0, rows=ROWS):
    return task.activate(RNG(seed).normal(size=(rows, task.score_width)).astype(np.float32))


def test_restores_from_json(made):
    task, cells, target = made
    again = TASKS.load(task.kind).restore(json.loads(json.dumps(task.meta())))
    assert again.meta() == task.meta()
    np.testing.assert_array_equal(again.encode(cells, column="y"), target)
    assert again.decode(answers_of(task)) == task.decode(answers_of(task))
    assert again.names == task.names
    assert (again.width, again.score_width) == (task.width, task.score_width)


def test_names_and_widths_agree(made):
    task, _, _ = made
    assert len(task.names) == len(set(task.names)) == task.width == answers_of(task).shape[1]
    assert set(task.probable) <= set(range(task.width))
    assert bool(task.probable) == task.discrete
    columns = sorted(k for q in task.questions for k in range(task.width)[q.columns])
    assert columns == list(range(task.width)), "each column is told by one question"


def test_probabilities_are_probabilities(made):
    task, _, _ = made
    answers = answers_of(task) * np.ones(task.width)
    own = answers[:, list(task.probable)]
    assert np.isfinite(answers).all()
    assert ((own >= 0) & (own <= 1)).all()


def test_one_metric_alone_is_the_same_as_among_all(made):
    task, _, target = made
    given = metric_set(task)(answers_of(task), target)
    weights = RNG(1).integers(0, 3, (ROWS, 5)).astype(float)
    every = given.values(weights)
    assert set(every) == {m.name for m in given.metrics}
    for name, values in every.items():
        np.testing.assert_array_equal(given.values(weights, only=name)[name], values)


def test_the_loss_trains_a_head_to_the_right_answers(made):
    """Gradient descent on scores of its own for every row ends at the cells."""
    task, cells, target = made
    scores = torch.zeros(ROWS, task.score_width, requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.3)
    goal, losses = torch.from_numpy(target), []
    for _ in range(150):
        loss = task.loss(scores, goal)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0]
    answers = task.activate(scores.detach().numpy())
    found = point(task, answers, target)
    assert found[task.primary] == pytest.approx(1.0 if task.greater_is_better else 0.0, abs=0.2)
    said = task.decode(answers)
    assert type(said[0]) is type(task.decode(answers_of(task))[0])
    known = [row for row in range(ROWS) if not isinstance(cells[row], tuple)]
    if task.discrete:
        assert [said[row] for row in known] == [cells[row] for row in known]


@pytest.mark.parametrize("how", [{}, {"label_smoothing": 0.1}, {"focal_gamma": 2.0}, {"class_weights": True}])
def test_every_score_gets_a_gradient_and_a_weight_of_zero_takes_it_away(made, how):
    task, _, target = made
    if how and not task.discrete:
        pytest.skip("such settings are refused for numbers")
    if how.get("class_weights"):
        how = {"class_weights": torch.tensor(task.class_weights(target), dtype=torch.float32)}
    weights = torch.ones(ROWS)
    weights[::2] = 0
    scores = torch.randn(ROWS, task.score_width, generator=torch.Generator().manual_seed(0), requires_grad=True)
    task.loss(scores, torch.from_numpy(target), weights=weights, **how).backward()
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad[::2] == 0).all()
    assert (scores.grad[1::2].abs().sum(0) > 0).all()


def test_equal_weights_change_no_loss(made):
    task, _, target = made
    scores = torch.from_numpy(RNG(3).normal(size=(ROWS, task.score_width))).float()
    goal = torch.from_numpy(target)
    assert task.loss(scores, goal, weights=torch.ones(ROWS)).item() == pytest.approx(task.loss(scores, goal).item())


def test_a_loss_in_parts_is_the_loss_of_the_whole(made):
    task, _, target = made
    scores = torch.from_numpy(RNG(3).normal(size=(ROWS, task.score_width))).float()
    goal = torch.from_numpy(target)
    parts = sum(
        task.loss(scores[rows], goal[rows]) * task.mass(goal[rows]) / task.mass(goal)
        for rows in torch.arange(ROWS).tensor_split(3)
    )
    assert parts.item() == pytest.approx(task.loss(scores, goal).item(), rel=1e-5)


def test_the_constant_answer_is_a_good_one(made):
    """No other answer that looks at nothing has a lower loss (tried: the constants of other rows)."""
    task, _, target = made
    constant = task.constant(target)
    assert constant.shape == (task.width,)
    assert np.isfinite(constant).all()
    tiled = np.tile(constant, (ROWS, 1))
    assert point(task, tiled, target)[task.primary] is not None
    weights = np.where(np.arange(ROWS) < 40, 1.0, 0.0)
    np.testing.assert_allclose(task.constant(target, weights), task.constant(target[:40]), atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_merits_order_models_as_the_primary_metric_does(made, weighted):
    task, _, target = made
    weights = RNG(9).uniform(0.1, 3, ROWS) if weighted else None
    merits, values = [], []
    for seed in range(12):
        # Between noise and the truth.
        noise = answers_of(task, seed)
        answers = noise if seed % 3 else np.tile(task.constant(target), (ROWS, 1)) * 0.9 + noise * 0.1
        merits.append(np.average(task.merits(answers, target, weights), weights=weights))
        values.append(point(task, answers, target, weights)[task.primary])
    sign = 1.0 if task.greater_is_better else -1.0
    assert np.argsort(merits).tolist() == np.argsort(sign * np.array(values)).tolist()


def test_a_metric_set_is_ready_for_json_and_bounds_hold_their_value(made):
    task, _, target = made
    answers = answers_of(task)
    found = score(task, answers, target, names=task.names, resamples=50)
    json.dumps(found, allow_nan=False)
    del found["details"]
    assert list(found) == [m.name for m in metric_set(task).metrics]
    assert next(iter(found)) == task.primary, "the primary metric comes first"
    for entry in found.values():
        if entry["ci95"] is not None:
            assert entry["ci95"][0] <= entry["value"] <= entry["ci95"][1]


def test_weights_are_repetitions(made):
    """A row of weight 3 counts as three rows do."""
    task, _, target = made
    answers, often = answers_of(task), RNG(4).integers(0, 4, ROWS)
    one = point(task, answers, target, often.astype(float))
    other = point(task, np.repeat(answers, often, 0), np.repeat(target, often, 0))
    assert one == pytest.approx(other, abs=0.05)  # calibration's bins are of rows
    assert one[task.primary] == pytest.approx(other[task.primary])


def test_questions_take_answers_apart_and_put_them_together(made):
    task, _, target = made
    answers = answers_of(task)
    again = np.empty_like(answers)
    for question in task.questions:
        plain = question.pose(answers)
        assert plain.shape == (ROWS, question.width)
        if question.discrete:
            np.testing.assert_allclose(plain.sum(1), 1)
        again[:, question.columns] = question.tell(plain)
        rows, truth = question.goal(target)
        assert len(rows) == len(truth) > 0
        if question.discrete:
            assert 0 <= truth.min() <= truth.max() < question.width
    np.testing.assert_array_equal(again, answers)


def test_strata_and_remarks(made):
    task, _, target = made
    strata = task.strata(target)
    assert strata.shape == (ROWS,)
    assert len(np.unique(strata)) > 1
    assert all(isinstance(text, str) for text in task.remarks(target))


# ------------------------------------------------------------------------------------------ a whole run


def table(kind, *, shuffled=False, rows=150, seed=0):
    """Text and numbers that tell the target; with shuffled targets, nothing does."""
    rng = RNG(seed)
    groups = rng.integers(0, 3, rows)
    x = rng.uniform(0, 4, rows)
    words = [["red rose", "blue sea", "green leaf"][g] for g in groups]
    target = {
        "classification": [["r", "b", "g"][g] for g in groups],
        "regression": (3 * x + groups).round(3).tolist(),
        "multilabel": [[n for n, yes in zip("rhs", (g == 0, v > 2, g != 1), strict=True) if yes] for g, v in
                       zip(groups, x, strict=True)],
        "ordinal": [int(v) for v in x],
    }  # fmt: skip
    columns = {"words": words, "x": x.round(3).tolist()}
    named = {"y": target[kind]} if kind in target else {"c": target["classification"], "v": target["regression"]}
    order = rng.permutation(rows) if shuffled else np.arange(rows)
    if kind not in target:
        named["v"] = [None if r % 5 == 0 else v for r, v in enumerate(named["v"])]
    return {**columns, **{name: [cells[r] for r in order] for name, cells in named.items()}}, list(named)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["classic", "deep", "auto"])
@pytest.mark.parametrize("kind", list(TASKS))
def test_a_run_learns_and_learns_nothing_from_shuffled_labels(kind, preset, tmp_path):
    quick = ["train.epochs=25", "train.lr=0.01", "deep.width=32", "ensemble.rules=['average', 'stack']"]
    settings = [s for s in quick if preset != "classic" or s.startswith("ensemble")]
    if TASKS.load(kind).claims([1, 2, 3, 4] * 20) is None and kind == "ordinal":
        settings.append("task=ordinal")
    found = {}
    for shuffled in (False, True):
        columns, target = table(kind, shuffled=shuffled)
        out = tmp_path / f"run-{shuffled}"
        result = cs.fit(columns, target=target, preset=preset, settings=settings, out=out)
        task = cs.load(out).task
        assert task.kind == kind
        nothing = next(e for e in result.leaderboard if e["preset"] == "baseline")
        assert next(iter(result.test)) == task.primary
        value, bar = (m[task.primary]["value"] for m in (result.test, nothing["metrics"]))
        found[shuffled] = value, bar
    (value, bar), (chance, chance_bar) = found[False], found[True]
    if task.greater_is_better:
        assert value > 0.8 > bar
        assert chance < chance_bar + 0.3
    else:
        assert value < 0.4 * bar
        assert chance > 0.8 * chance_bar
