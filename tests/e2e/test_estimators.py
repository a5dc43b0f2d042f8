"""As scikit-learn's tools see it: its own checks, tables of anything, clones, copies, pipelines and searches."""

from __future__ import annotations

import copy
import doctest
import gc
import importlib
import io

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from consilience import ConsilienceClassifier, ConsilienceRegressor, load

FAST = {
    "classic": {"single": [], "joined": ["linear"]},
    "ensemble": {"rules": []},
    "audit": {"at_end": False},
    "report": {"errors": 0, "slices": 0},
    "data": {"workers": 0},
}
QUICK = {"preset": "classic", "time_budget": 60.0, "config": FAST}

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "a row of weight 2 is on one side of the split, two may part",
}
"""Checks of scikit-learn that do not apply, with the reason."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [ConsilienceClassifier(**QUICK), ConsilienceRegressor(**QUICK)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def rows(count=120, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["small", "large"], count)
    return {
        "size": (np.where(kind == "large", 8.0, 2.0) + rng.normal(0, 1, count)).tolist(),
        "note": [f"a {'big' if k == 'large' else 'tiny'} thing, no {n}" for n, k in enumerate(kind)],
    }, kind


def test_weights_of_rows_count():
    """Twelve rows in a hundred weigh more than all others: they decide what is usual."""
    y = np.where(np.arange(100) < 88, "often", "heavy")
    model = ConsilienceClassifier(**QUICK).fit({"x": [1.0] * 100}, y, sample_weight=np.where(y == "heavy", 50.0, 1.0))
    assert model.predict([{"x": 1.0}]).tolist() == ["heavy"]
    assert "weight" not in model.model_.columns


@pytest.fixture(scope="module")
def fitted():
    X, y = rows()
    return ConsilienceClassifier(**QUICK).fit(X, y)


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X,
        lambda X: [dict(zip(X, row, strict=True)) for row in zip(*X.values(), strict=True)],
        pd.DataFrame,
    ],
    ids=["columns", "dicts", "frame"],
)
def test_every_form_of_a_table_is_the_same(form, fitted):
    X, y = rows(seed=1)
    assert fitted.score(form(X), y) > 0.95
    np.testing.assert_allclose(fitted.predict_proba(form(X)), fitted.predict_proba(X), atol=1e-9)
    again = ConsilienceClassifier(**QUICK).fit(form(rows()[0]), rows()[1])
    np.testing.assert_allclose(again.predict_proba(X), fitted.predict_proba(X), atol=1e-9)
    assert again.feature_names_in_.tolist() == ["size", "note"]
    assert again.n_features_in_ == 2


def test_probabilities_belong_to_the_classes_in_their_order(fitted):
    X, _ = rows(seed=1)
    assert fitted.classes_.tolist() == ["large", "small"]
    assert fitted.classes_[fitted.predict_proba(X).argmax(1)].tolist() == fitted.predict(X).tolist()
    many = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 12))
    model = ConsilienceClassifier(**QUICK).fit(many[:, None] + 0.0, many)
    assert model.classes_.tolist() == list(range(12))  # in the order of numbers, not of their names
    assert model.predict(np.array([[0.0], [11.0]])).tolist() == [0, 11]


def test_a_missing_column_of_a_dict_is_missing_and_of_a_frame_a_mistake(fitted):
    assert fitted.predict([{"note": "a tiny thing"}]).tolist() == ["small"]
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(pd.DataFrame({"note": ["a tiny thing"]}))


def test_a_regressor_of_arrays():
    X = np.random.default_rng(0).normal(size=(150, 3))
    X[::7, 1] = np.nan
    y = 3 * X[:, 0] + 1
    model = ConsilienceRegressor(**QUICK).fit(X[:100], y[:100])
    assert model.score(X[100:], y[100:]) > 0.9
    assert model.predict(X[:3]).shape == (3,)
    with pytest.raises(ValueError, match="X has 2 features, but"):
        model.predict(X[:, :2])


def test_clones_and_copies():
    estimator = ConsilienceClassifier(**QUICK, random_state=7)
    assert clone(estimator).get_params() == estimator.get_params()
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    assert joblib.load(io.BytesIO(buffer.getvalue())).get_params() == estimator.get_params()
    assert estimator.set_params(preset="deep").preset == "deep"
    with pytest.raises(NotFittedError):
        estimator.predict([[1.0]])


def test_a_temporary_run_ends_with_its_estimator():
    model = ConsilienceClassifier(**QUICK).fit(*rows(40))
    folder = model.run_
    assert folder.is_dir()
    del model
    gc.collect()
    assert not folder.exists()


def test_what_was_fitted_is_kept_by_its_run_and_copies_answer_the_same(fitted, tmp_path):
    X, _ = rows(seed=1)
    want = fitted.predict_proba(X)
    assert (load(fitted.run_).predict_proba(X) == want).all()
    assert (copy.deepcopy(fitted).predict_proba(X) == want).all()
    kept = ConsilienceClassifier(**QUICK, out=tmp_path / "run").fit(*rows())
    assert kept.run_ == tmp_path / "run"
    assert (kept.run_ / "report.html").is_file()


def test_scikit_learns_tools_take_it():
    X, y = rows()
    scores = cross_val_score(ConsilienceClassifier(**QUICK), pd.DataFrame(X), y, cv=3)
    assert scores.min() > 0.9


def test_mistakes_are_told():
    model = ConsilienceClassifier(**QUICK)
    with pytest.raises(ValueError, match="one class only"):
        model.fit([[1.0]] * 8, [1] * 8)
    with pytest.raises(ValueError, match="inconsistent numbers of rows"):
        model.fit({"a": [1, 2, 3, 4, 5]}, ["x", "y"])
    with pytest.raises(ValueError, match="at least 4 rows"):
        model.fit([[1.0], [2.0], [3.0]], [0, 1, 0])
    with pytest.raises(ValueError, match="the target y is None"):
        model.fit({"a": [1, 2]}, None)


@pytest.mark.slow
def test_the_examples_of_the_docstrings_run():
    module = importlib.import_module("consilience.estimators")
    found = doctest.testmod(module)
    assert found.attempted > 5
    assert found.failed == 0
