"""Metrics of sets of labels, ordered classes and several targets, against scikit-learn and by hand."""

import numpy as np
import pytest
import sklearn.metrics as sk

from consilience.core.errors import DataError
from consilience.evaluate import METRICS, metric_set, point, score
from consilience.tasks import TASKS

RNG = np.random.default_rng


def labels(rows=80, width=4, seed=0):
    rng = RNG(seed)
    target = (rng.random((rows, width)) < [0.1, 0.3, 0.5, 0.8][:width]).astype(float)
    answers = np.clip(0.5 * target + 0.7 * rng.random((rows, width)) - 0.1, 0.01, 0.99).round(2)  # with ties
    return answers, target


def test_sets_of_labels_agree_with_scikit_learn():
    answers, target = labels()
    said = (answers >= 0.5).astype(int)
    got = point("multilabel", answers, target)
    for average in ("micro", "macro", "weighted"):
        assert got[f"f1_{average}"] == pytest.approx(sk.f1_score(target, said, average=average))
    assert got["precision_micro"] == pytest.approx(sk.precision_score(target, said, average="micro"))
    assert got["recall_micro"] == pytest.approx(sk.recall_score(target, said, average="micro"))
    assert got["subset_accuracy"] == pytest.approx(sk.accuracy_score(target, said))
    assert got["hamming_loss"] == pytest.approx(sk.hamming_loss(target, said))
    assert got["auroc"] == pytest.approx(sk.roc_auc_score(target, answers, average="macro"))
    assert got["average_precision"] == pytest.approx(sk.average_precision_score(target, answers, average="macro"))
    both = (target.sum(1) > 0) & (target.sum(1) < 4)  # scikit-learn counts other rows as perfect
    assert got["ranking_loss"] == pytest.approx(sk.label_ranking_loss(target[both], answers[both]))
    assert got["log_loss"] == pytest.approx(np.mean([sk.log_loss(target[:, k], answers[:, k]) for k in range(4)]))


def test_weighted_sets_of_labels_agree_with_scikit_learn():
    answers, target = labels()
    weights = RNG(1).uniform(0, 3, len(target))
    got = point("multilabel", answers, target, weights)
    said = (answers >= 0.5).astype(int)
    assert got["f1_macro"] == pytest.approx(sk.f1_score(target, said, average="macro", sample_weight=weights))
    assert got["auroc"] == pytest.approx(sk.roc_auc_score(target, answers, sample_weight=weights))
    assert got["average_precision"] == pytest.approx(sk.average_precision_score(target, answers, sample_weight=weights))
    assert got["subset_accuracy"] == pytest.approx(sk.accuracy_score(target, said, sample_weight=weights))


def test_labels_that_are_not_known_count_for_nothing():
    answers, target = labels()
    holes = RNG(2).random(target.shape) < 0.3
    got = point("multilabel", answers, np.where(holes, np.nan, target))
    said, true = (answers >= 0.5)[~holes], target[~holes]
    assert got["f1_micro"] == pytest.approx(sk.f1_score(true, said))
    assert got["hamming_loss"] == pytest.approx((said != true).mean())
    scribbled = np.where(holes, 1 - answers, answers)
    assert point("multilabel", scribbled, np.where(holes, np.nan, target)) == got


def test_no_label_anywhere_is_undefined_where_it_must_be():
    answers, target = labels()
    got = score("multilabel", answers, target * 0, names="abcd", resamples=20)
    assert got["f1_micro"]["value"] == 0
    assert got["auroc"]["value"] is got["f1_macro"]["value"] is got["ranking_loss"]["value"] is None
    assert got["hamming_loss"]["value"] == pytest.approx((answers >= 0.5).mean())


def test_the_threshold_is_the_tasks_own():
    task = TASKS.load("multilabel").fit([["a"], ["b"], ["a", "b"]] * 5, column="y", config=TASKS.load(
        "multilabel").Config(threshold=0.2))  # fmt: skip
    answers, target = labels(width=2)
    assert point(task, answers, target)["f1_micro"] == pytest.approx(
        sk.f1_score(target, answers >= 0.2, average="micro")
    )
    assert task.decode(np.array([[0.3, 0.1]])) == [["a"]]


def test_details_of_labels_count_rows():
    answers, target = labels()
    details = score("multilabel", answers, target, names="abcd", resamples=0)["details"]
    assert [line["support"] for line in details["per_class"]] == target.sum(0).astype(int).tolist()
    assert sum(b["rows"] for b in details["reliability"]) == target.size


def ranks(rows=150, seed=0):
    rng = RNG(seed)
    target = rng.integers(0, 5, rows)
    powers = np.exp(-0.7 * np.abs(np.arange(5) - target[:, None] - rng.normal(0, 1, rows)[:, None]))
    return powers / powers.sum(1, keepdims=True), target


def test_ranks_agree_with_scikit_learn():
    answers, target = ranks()
    said = (np.cumsum(answers, 1) < 0.5).sum(1)
    weights = RNG(3).uniform(0, 2, len(target))
    for w in (None, weights):
        got = point("ordinal", answers, target, w)
        kappa = sk.cohen_kappa_score(target, said, weights="quadratic", sample_weight=w)
        assert got["qwk"] == pytest.approx(kappa)
        assert got["mae_ranks"] == pytest.approx(sk.mean_absolute_error(target, said, sample_weight=w))
        assert got["accuracy"] == pytest.approx(sk.accuracy_score(target, said, sample_weight=w))
        assert got["within_one"] == pytest.approx(np.average(np.abs(target - said) <= 1, weights=w))
        assert got["log_loss"] == pytest.approx(sk.log_loss(target, answers, sample_weight=w, labels=range(5)))


def test_one_rank_everywhere_has_no_kappa():
    answers = np.tile([0.0, 1.0, 0.0], (9, 1))
    assert point("ordinal", answers, np.ones(9, int))["qwk"] is None
    assert point("ordinal", answers, np.ones(9, int))["accuracy"] == 1


def test_the_median_is_nearest_in_ranks():
    """Of all ranks the median has the least expected distance; the most probable one has not."""
    answers = RNG(5).dirichlet(np.ones(5) * 0.7, 200)
    task = TASKS.load("ordinal")(range(5))
    distance = np.abs(np.arange(5)[:, None] - np.arange(5))
    expected = answers @ distance
    said = np.array(task.decode(answers))
    np.testing.assert_allclose(expected[np.arange(200), said], expected.min(1), atol=1e-9)
    assert (expected[np.arange(200), answers.argmax(1)] > expected.min(1) + 1e-9).any()


def test_the_score_of_several_targets_is_the_mean_way_to_perfect():
    rng = RNG(0)
    cells = [("xy"[k], float(v) if k or v > 0 else None) for k, v in zip(rng.integers(0, 2, 60), rng.normal(size=60),
                                                                          strict=True)]  # fmt: skip
    task = TASKS.load("several").fit(cells, column="c, v", columns=("c", "v"))
    target = task.encode(cells, column="c, v")
    answers = np.concatenate([rng.dirichlet([1, 1], 60), rng.normal(size=(60, 1))], 1)
    got = point(task, answers, target)
    right = (answers[:, :2].argmax(1) == target[:, 0]).mean()
    usual = max((target[:, 0] == 0).mean(), (target[:, 0] == 1).mean())
    known = ~np.isnan(target[:, 1])
    own = target[known, 1]
    r2 = 1 - ((answers[known, 2] - own) ** 2).sum() / ((own - own.mean()) ** 2).sum()
    assert got["c.accuracy"] == pytest.approx(right)
    assert got["v.r2"] == pytest.approx(r2)
    assert got["score"] == pytest.approx(((right - usual) / (1 - usual) + r2) / 2)
    perfect = np.concatenate([np.eye(2)[target[:, 0].astype(int)], np.nan_to_num(target[:, 1:])], 1)
    assert point(task, perfect, target)["score"] == pytest.approx(1)
    assert metric_set(task).metrics[0].name == "score"


def test_shapes_that_do_not_fit_are_refused():
    answers, target = labels()
    with pytest.raises(DataError, match="cannot be compared"):
        METRICS.load("multilabel")(answers, target[:, :2])
    with pytest.raises(DataError, match="no finite answer"):
        METRICS.load("multilabel")(answers * np.nan, target)
    with pytest.raises(DataError, match="ranks from 0 to 4"):
        METRICS.load("ordinal")(ranks()[0], ranks()[1] + 9)
