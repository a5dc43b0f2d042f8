"""Models chosen by a metric that the user names: found by name or alias, kept with the task, and decisive."""

import numpy as np
import pytest

from consilience.core.errors import UserError
from consilience.evaluate import chosen_by, metric_set, point, score
from consilience.evaluate.jackknife import pseudo_values
from consilience.tasks import TASKS

CELLS = {
    "classification": ["a"] * 90 + ["b"] * 10,
    "ordinal": [1] * 60 + [2] * 30 + [3] * 10,
    "multilabel": [["x"]] * 80 + [["x", "y"]] * 10 + [[]] * 10,
    "regression": [float(i % 13) for i in range(100)],
}


def made(kind):
    task = TASKS.load(kind).fit(CELLS[kind], column="y")
    target = task.encode(CELLS[kind], column="y")
    return task, target, task.constant(target)


def several():
    cells = list(zip(CELLS["classification"], CELLS["regression"], CELLS["ordinal"], strict=True))
    task = TASKS.load("several").fit(cells, column="a, b, c", columns=("a", "b", "c"))
    target = task.encode(cells, column="")
    return task, target, task.constant(target)


def answers_to(task, target, seed=0):
    rng = np.random.default_rng(seed)
    if not task.discrete:
        return target[:, None] + rng.normal(size=(len(target), 1))
    return rng.dirichlet(np.ones(task.width), len(target))


@pytest.mark.parametrize(
    ("kind", "asked", "metric", "greater"),
    [
        ("classification", "balanced_accuracy", "balanced_accuracy", True),
        ("classification", "f1", "f1_macro", True),
        ("classification", "roc_auc", "auroc", True),
        ("classification", "average_precision", "average_precision", True),
        ("classification", "log_loss", "log_loss", False),
        ("ordinal", "mae", "mae_ranks", False),
        ("ordinal", "balanced_accuracy", "balanced_accuracy", True),
        ("multilabel", "f1", "f1_macro", True),
        ("multilabel", "hamming_loss", "hamming_loss", False),
        ("regression", "r2", "r2", True),
        ("regression", "mae", "mae", False),
    ],
)
def test_a_metric_is_found_kept_and_comes_first(kind, asked, metric, greater) -> None:
    task, target, constant = made(kind)
    judged = chosen_by(task, asked, constant)
    assert (judged.primary, judged.greater_is_better) == (metric, greater)
    assert task.criterion is None, "the task itself is as it was"
    answers = answers_to(judged, target)
    again = TASKS.load(kind).restore(judged.meta())
    assert again.meta() == judged.meta()
    assert again.decode(answers) == judged.decode(answers)
    opened = judged.opened(CELLS[kind], column="y")
    assert opened.criterion == judged.criterion
    assert next(iter(score(judged, answers, target, names=judged.names, resamples=20))) == metric


@pytest.mark.parametrize(
    ("kind", "wrong", "meant"),
    [
        ("classification", "balanced_acuracy", "balanced_accuracy"),
        ("regression", "rmsee", "rmse"),
        ("multilabel", "f1_micr", "f1_micro"),
        ("ordinal", "qkw", "qwk"),
    ],
)
def test_an_unknown_metric_is_refused_with_those_there_are(kind, wrong, meant) -> None:
    task, _, constant = made(kind)
    with pytest.raises(
        UserError, match=rf"--metric: unknown metric '{wrong}'. Did you mean '{meant}'.*Known: .*{kind}"
    ):
        chosen_by(task, wrong, constant)


def test_several_targets_are_each_judged_by_a_metric_they_have() -> None:
    task, target, constant = several()
    judged = chosen_by(task, "balanced_accuracy", constant)
    assert [t.task.primary for t in judged.targets] == ["balanced_accuracy", "rmse", "balanced_accuracy"]
    assert judged.primary == "score"
    one = chosen_by(task, "b.mae", constant)
    assert (one.primary, one.greater_is_better) == ("b.mae", False)
    assert [t.task.criterion for t in one.targets] == [None] * 3
    again = TASKS.load("several").restore(judged.meta())
    assert again.meta() == judged.meta()
    with pytest.raises(UserError, match=r"Did you mean 'balanced_accuracy'.*b\.rmse"):
        chosen_by(task, "balanced_acc", constant)
    assert point(judged, np.tile(constant, (len(target), 1)), target)["score"] == pytest.approx(0, abs=1e-9)


def test_rare_classes_are_predicted_under_a_metric_that_counts_them() -> None:
    task, _, constant = made("classification")
    answers = np.array([[0.85, 0.15], [0.95, 0.05], [0.6, 0.4], [0.7, 0.3]])
    assert task.decode(answers) == ["a"] * 4
    assert chosen_by(task, "balanced_accuracy", constant).decode(answers) == ["b", "a", "b", "b"], "at its share"
    assert chosen_by(task, "f1", constant).decode(answers) == ["a", "a", "b", "b"], "between its share and one half"
    assert chosen_by(task, "log_loss", constant).decode(answers) == ["a"] * 4
    wide = chosen_by(task, "balanced_accuracy", constant).opened(["a", "c"], column="y")
    assert wide.decode(np.pad(answers, ((0, 0), (0, 1)))) == ["b", "a", "b", "b"]


def test_rare_labels_have_lower_thresholds_under_macro_f1_and_ranks_follow_too() -> None:
    task, _, constant = made("multilabel")
    low = chosen_by(task, "f1", constant).thresholds
    assert low[0] > 0.5 > low[1] > 0.1
    assert task.thresholds.tolist() == [0.5, 0.5]
    ranks, _, constant = made("ordinal")
    answers = np.array([[0.5, 0.3, 0.2]])
    assert ranks.decode(answers) == [1]
    assert chosen_by(ranks, "balanced_accuracy", constant).decode(answers) == [3]


@pytest.mark.parametrize("kind", list(CELLS))
@pytest.mark.parametrize("weighted", [False, True])
def test_pseudo_values_average_to_every_metric(kind, weighted) -> None:
    task, target, _ = made(kind)
    answers = answers_to(task, target)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(target)) if weighted else None
    found = point(task, answers, target, weights)
    for metric in metric_set(task).metrics:
        if found[metric.name] is None:
            continue
        values = pseudo_values(task, metric.name, answers, target, weights)
        assert values.mean() == pytest.approx(found[metric.name]), metric.name


def test_pseudo_values_know_the_error_of_a_mean() -> None:
    task, target, _ = made("classification")
    answers = answers_to(task, target)
    right = task.merits(answers, target)
    np.testing.assert_allclose(pseudo_values(task, "accuracy", answers, target), right, atol=1e-9)
