"""Intervals: they hold the value, cover what they promise, widen with clustering, and ignore the order of rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from consilience.core.errors import DataError, UserError
from consilience.evaluate import METRICS, bootstrap, by_group, point, score

RNG = np.random.default_rng


def example(rows: int = 300, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = RNG(seed)
    target = rng.integers(0, classes, rows)
    powers = np.exp(rng.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[target])
    return powers / powers.sum(1, keepdims=True), target


def right_or_wrong(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers that are right exactly where told, over two classes taken in turn."""
    target = np.arange(len(right)) % 2
    answers = np.where((target ^ ~right)[:, None] == [0, 1], 0.9, 0.1)
    return answers, target


def width(entry: dict) -> float:
    return entry["ci95"][1] - entry["ci95"][0]


def test_units_join_groups_and_keep_ungrouped_rows_apart() -> None:
    assert bootstrap.units(np.array([7, -1, 3, 7, -1]), 5).tolist() == [0, 1, 2, 0, 3]
    assert bootstrap.units(None, 3).tolist() == [0, 1, 2]


def test_a_resample_draws_whole_units_as_often_as_there_are_units() -> None:
    unit = np.array([0, 1, 0, 2, 1, 3])
    weights = np.concatenate(list(bootstrap.resampled(unit, resamples=50, seed=1)), axis=1)
    assert weights.shape == (6, 50)
    assert np.array_equal(weights[0], weights[2])
    assert np.array_equal(weights[1], weights[4])
    assert (weights[[0, 1, 3, 5]].sum(0) == 4).all()


def test_chunks_do_not_change_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = np.arange(20)
    whole = np.concatenate(list(bootstrap.resampled(unit, resamples=9, seed=1)), axis=1)
    monkeypatch.setattr(bootstrap, "_CHUNK", 50)
    chunks = list(bootstrap.resampled(unit, resamples=9, seed=1))
    assert len(chunks) == 5
    assert np.array_equal(np.concatenate(chunks, axis=1), whole)


@pytest.mark.parametrize("seed", range(8))
def test_an_interval_holds_its_value(seed: int) -> None:
    answers, target = example(60, seed=seed)
    for name, entry in score("classification", answers, target, names="abc", seed=seed).items():
        if name != "details":
            assert entry["ci95"][0] <= entry["value"] <= entry["ci95"][1], name
            assert width(entry) > 0, name


def test_the_interval_is_near_the_textbooks() -> None:
    right = RNG(0).random(2_000) < 0.8
    entry = score("classification", *right_or_wrong(right), names="ab", resamples=1_000)["accuracy"]
    assert width(entry) == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 2_000), rel=0.15)


@pytest.mark.slow
def test_coverage_of_accuracy_and_rmse_is_about_95_percent() -> None:
    rng, held = RNG(1), np.zeros(2)
    for trial in range(120):
        right = rng.random(150) < 0.7
        low, high = score("classification", *right_or_wrong(right), names="ab", seed=trial)["accuracy"]["ci95"]
        held[0] += low <= 0.7 <= high
        target = rng.normal(size=150)
        noisy = (target + rng.normal(size=150))[:, None]
        low, high = score("regression", noisy, target, names="y", seed=trial)["rmse"]["ci95"]
        held[1] += low <= 1.0 <= high
    assert (held / 120 >= 0.88).all()
    assert (held / 120 < 1.0).all()


def test_clustered_rows_get_wider_intervals() -> None:
    """40 pictures with 25 questions each, right or wrong together: 1,000 rows are worth 40."""
    groups = np.repeat(np.arange(40), 25)
    answers, target = right_or_wrong((RNG(3).random(40) < 0.7)[groups])
    alone = score("classification", answers, target, names="ab")["accuracy"]
    together = score("classification", answers, target, names="ab", groups=groups)["accuracy"]
    assert together["value"] == alone["value"]
    assert 3.5 < width(together) / width(alone) < 6.5  # five times, in theory


def test_groups_of_minus_one_are_rows_of_their_own() -> None:
    answers, target = example()
    none = score("classification", answers, target, names="abc")
    alone = score("classification", answers, target, names="abc", groups=np.full(300, -1))
    assert width(alone["accuracy"]) == pytest.approx(width(none["accuracy"]), rel=0.3)
    single = score("classification", answers, target, names="abc", groups=np.zeros(300, int))
    assert single["log_loss"]["ci95"] is None  # one unit has no spread


@pytest.mark.parametrize("kind", ["classification", "ordinal", "regression", "multilabel"])
def test_row_order_changes_no_number(kind: str) -> None:
    answers, target = example(200)
    if kind == "regression":
        answers, target = RNG(0).normal(size=(200, 1)), RNG(1).normal(size=200)
    if kind == "multilabel":
        target = np.where(RNG(2).random(answers.shape) < 0.1, np.nan, RNG(1).random(answers.shape) < answers)
    groups = RNG(0).integers(-1, 50, 200)
    shuffled = RNG(9).permutation(200)
    names = tuple(map(str, range(answers.shape[1])))
    before = score(kind, answers, target, names=names, groups=groups)
    after = score(kind, answers[shuffled], target[shuffled], names=names, groups=groups[shuffled])
    for metric in METRICS.load(kind).metrics:
        assert after[metric.name] == before[metric.name]
    plain = point(kind, answers[shuffled], target[shuffled])
    assert plain == pytest.approx({m.name: before[m.name]["value"] for m in METRICS.load(kind).metrics})


def test_the_seed_decides() -> None:
    answers, target = example()
    one, again, other = (score("classification", answers, target, names="abc", seed=s) for s in (1, 1, 2))
    assert one == again
    assert one["accuracy"]["ci95"] != other["accuracy"]["ci95"]


@pytest.mark.parametrize(("rows", "low"), [(1, 0.025), (5, 0.478), (20, 0.832)])
def test_a_few_rows_all_right_are_no_proof(rows: int, low: float) -> None:
    """The exact binomial bound, where the bootstrap alone would claim certainty."""
    entry = score("classification", *right_or_wrong(np.ones(rows, bool)), names="ab")["accuracy"]
    assert entry["value"] == 1
    assert entry["ci95"] == pytest.approx([low, 1.0], abs=1e-3)


def test_a_metric_set_lists_exactly_the_metrics_it_computes() -> None:
    answers, target = example()
    for kind, given in (("classification", (answers, target)), ("regression", (answers[:, :1], target * 1.0))):
        names = {m.name for m in METRICS.load(kind).metrics}
        assert set(point(kind, *given)) == names
        assert set(score(kind, *given, names="abc")) == names | {"details"}
        json.dumps(score(kind, *given, names="abc"), allow_nan=False)


def test_no_resamples_no_interval() -> None:
    answers, target = example()
    assert score("classification", answers, target, names="abc", resamples=0)["accuracy"]["ci95"] is None


def test_wrong_lengths_and_kinds_are_refused() -> None:
    answers, target = example()
    with pytest.raises(DataError, match="group numbers"):
        score("classification", answers, target, names="abc", groups=np.zeros(2, int))
    with pytest.raises(DataError, match="cells to group"):
        by_group("classification", answers, target, ["x"], names="abc")
    with pytest.raises(UserError, match="Did you mean 'classification'"):
        point("clasification", answers, target)
