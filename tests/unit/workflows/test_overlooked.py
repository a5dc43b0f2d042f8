"""Warnings of answers whose score looks right: a class never predicted, a model no better than none; no false ones."""

from types import SimpleNamespace

import numpy as np
import pytest

from consilience.evaluate import chosen_by
from consilience.tasks import TASKS
from consilience.tasks.classification import Classification
from consilience.workflows.overlooked import never_predicted, of_fit
from consilience.workflows.targets import strange

TWO = Classification(["fine", "fraud"])


def chances(positive):
    return np.stack([1 - positive, positive], 1)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_a_class_that_is_never_predicted_is_named_with_rows_share_and_remedy(share) -> None:
    target = (np.arange(500) < 500 * share).astype(int)
    (said,) = never_predicted(TWO, chances(np.linspace(0.4, 0.0, 500)), target, where="validation")
    assert f"'fraud' ({round(500 * share)} of 500 rows, {share:.1%})" in said
    assert "validation rows" in said
    assert "--metric balanced_accuracy or f1 or average_precision" in said


def test_other_tasks_warn_too() -> None:
    ordinal = TASKS.load("ordinal").fit([1, 2, 3] * 5, column="y")
    ranks = np.tile([0.6, 0.3, 0.1], (60, 1)) + np.linspace(0, 0.01, 60)[:, None]
    (said,) = never_predicted(ordinal, ranks, np.arange(60) % 10 // 8, where="given")
    assert "'2' (12 of 60 rows" in said
    assert said.endswith("--metric balanced_accuracy, under which a rare class counts more")
    labels = TASKS.load("multilabel").fit([["a"], ["b"], ["a", "b"]] * 4, column="y")
    target = np.stack([np.arange(50) % 2, np.arange(50) % 10 == 0], 1).astype(float)
    (said,) = never_predicted(labels, np.stack([target[:, 0], np.linspace(0, 0.4, 50)], 1), target, where="given")
    assert "'b' (5 of 50 rows, 10.0%)" in said and "f1 or average_precision" in said  # noqa: PT018
    both = TASKS.load("several").fit([("u", 1.0), ("v", 2.0), ("u", 3.0)] * 5, column="a, b", columns=("a", "b"))
    target = np.stack([np.arange(50) % 10 == 0, np.arange(50.0)], 1)
    answers = np.concatenate([chances(np.linspace(0, 0.4, 50)), target[:, 1:]], 1)
    (said,) = never_predicted(both, answers, target, where="given")
    assert "'a: v' (5 of 50 rows" in said
    number = TASKS.load("regression").fit([1.0, 2.0], column="y")
    assert never_predicted(number, np.zeros((9, 1)), np.arange(9.0), where="given") == []


@pytest.mark.parametrize(
    ("positive", "rows"),
    [
        (np.linspace(0.4, 0.0, 500), 4),  # too few to say
        (np.linspace(0.6, 0.0, 500), 10),  # predicted
        (np.linspace(0.49, 0.45, 500), 240),  # about as frequent as the other: chance, no rare class
        (np.full(500, 0.49), 160),  # nothing was learned of classes that are alike: the warning is another one
    ],
)
def test_no_false_alarm(positive, rows) -> None:
    assert never_predicted(TWO, chances(positive), (np.arange(500) < rows).astype(int), where="given") == []


def test_one_answer_for_all_rows_loses_a_rare_class() -> None:
    assert never_predicted(TWO, chances(np.full(500, 0.02)), (np.arange(500) < 10).astype(int), where="given")


def fitted(value, nothing, *, metric="accuracy", name="m", positive=None, target=None):
    task = TWO if metric == "accuracy" else chosen_by(TWO, metric, np.array([0.9, 0.1]))
    target = np.arange(100) % 2 if target is None else target
    answers = chances(np.linspace(0, 1, 100) if positive is None else positive)
    part = SimpleNamespace(learnable=lambda: (np.arange(len(target)), target, None))
    best, none = (
        SimpleNamespace(name=n, metrics={metric: {"value": v}}) for n, v in ((name, value), ("majority class", nothing))
    )
    if name == "majority class":
        best = none
    return of_fit(SimpleNamespace(task=task), best, none, {"validation": (part, answers)})


@pytest.mark.parametrize(
    ("value", "nothing", "metric", "warned"),
    [
        (0.9, 0.6, "accuracy", False),
        (0.6, 0.6, "accuracy", True),
        (0.5, 0.6, "accuracy", True),
        (0.5, 0.6, "log_loss", False),
        (0.7, 0.6, "log_loss", True),
        (None, None, "auroc", False),
        (1.0, 1.0, "accuracy", False),
    ],
)
def test_a_model_no_better_than_none_is_said_to_be(value, nothing, metric, warned) -> None:
    found = fitted(value, nothing, metric=metric)
    assert bool(found) is warned
    if warned:
        told = f"m is not better than an answer that looks at no input (majority class): {metric} {value} against"
        assert told in found[0]


def test_both_are_said_of_a_rare_class_that_accuracy_does_not_see() -> None:
    rare = (np.arange(100) < 8).astype(int)
    found = fitted(0.92, 0.92, name="majority class", positive=np.full(100, 0.08), target=rare)
    assert [line.split(" ")[0] for line in found] == ["never", "no"]
    assert found[1].endswith("or this metric does not see rare classes")


@pytest.mark.parametrize(
    ("known", "asked", "told"),
    [
        (["spam", "ham"], ["spam", "spamm", "ham", "ham"], "1 of 4 rows (25.0%) have labels the model never saw"),
        (["yes", "no"], ["y", "n"], "2 of 2 rows (100.0%)"),
        (["a", "b"], ["a", "b"], None),
        ([0, 1], ["True", "FALSE"], None),
    ],
)
def test_labels_that_training_never_saw_are_told_with_share_and_nearest(known, asked, told) -> None:
    task = Classification.fit(known * 3, column="y")
    opened = task.opened(asked, column="y")
    found = strange(task, opened, opened.encode(asked, column="y"))
    assert len(found) == (told is not None)
    if told:
        assert told in found[0]
        assert "It knows " in found[0]
    if "spamm" in asked:
        assert "'spamm' (nearest known: 'spam')" in found[0]


def test_the_metric_that_was_chosen_is_no_remedy() -> None:
    judged = chosen_by(TWO, "f1", np.array([0.9, 0.1]))
    (said,) = never_predicted(
        judged, chances(np.linspace(0, 0.1, 500)), (np.arange(500) < 10).astype(int), where="given"
    )
    assert "--metric balanced_accuracy or average_precision, under" in said


@pytest.mark.parametrize("kind", ["classification", "multilabel", "several"])
def test_rows_of_labels_that_training_never_saw_are_counted_by_every_task(kind) -> None:
    def cells(*labels):
        give = {"classification": lambda c: c, "multilabel": lambda c: ["x", c], "several": lambda c: (c, 1.5)}[kind]
        return [give(label) for label in labels]

    named = {"columns": ("a", "b")} if kind == "several" else {}
    number = [("x", 0.5)] if kind == "several" else []
    task = TASKS.load(kind).fit([*cells(*"abab"), *number], column="y", **named)
    opened = task.opened(cells(*"abcdca"), column="y")
    assert task.unknown_rows(opened.encode(cells(*"abcdca"), column="y"), opened).tolist() == [2, 3, 4]
