"""scikit-learn's way of using Consilience: `ConsilienceClassifier` and `ConsilienceRegressor`.

An estimator holds settings and, once fitted, a loaded model; all the work is that of `fit` and `load`. Columns of X may
hold whatever a table may hold: numbers, categories, dates, texts, paths of media. To keep what was fitted, keep its
`run_`: any version can read its bundle again, and no pickle is involved.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from consilience.api import fit as fit_table
from consilience.api import load
from consilience.bundle.model import Model
from consilience.core.arguments import expect, path_of, shown
from consilience.core.config import merge
from consilience.core.errors import DataError
from consilience.core.optional import require
from consilience.data.sources.memory import is_column, unique_names

require("sklearn", "pandas", extra="train", to="use Consilience as a scikit-learn estimator")

import pandas  # noqa: E402 - after the hint what to install
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: E402 - after the hint what to install
from sklearn.utils import check_random_state  # noqa: E402
from sklearn.utils.multiclass import check_classification_targets  # noqa: E402
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data  # noqa: E402

_LEAST = 4
"""Rows below which there is nothing to learn from and nothing to choose with."""
_TARGET, _WEIGHT = "target", "weight"


class _Estimator(BaseEstimator):  # type: ignore[misc, unused-ignore]
    """What both have in common."""

    _task: str
    _numeric: bool
    """Whether y holds numbers."""

    def __init__(
        self,
        *,
        preset: str = "auto",
        metric: str = "auto",
        time_budget: float = 300.0,
        random_state: Any = None,
        config: Mapping[str, Any] | None = None,
        media_root: str | Path | None = None,
        out: str | Path | None = None,
    ) -> None:
        """`preset`, `metric`, `time_budget` (seconds), `config` and `media_root` as for `consilience.fit`.
        `random_state`: the seed, a NumPy RandomState, or None for seed 0. `out`: the run folder; a temporary one, which
        ends with the estimator, when not given."""
        self.preset = preset
        self.metric = metric
        self.time_budget = time_budget
        self.random_state = random_state
        self.config = config
        self.media_root = media_root
        self.out = out

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Learn from a table and the answer to each of its rows.

        `X`: a DataFrame, a dict of columns, a list of dicts, or a 2-D array of numbers or other cells [N, F]. Part of
        the rows (a fifth, unless `config` says otherwise) chooses among models. `sample_weight` [N]: how much each row
        counts, in training and in choosing; 0 takes it out. Raises ValueError (DataError among
        them) when X or y are wrong.
        """
        _check_table(X)
        _check_answers(y)
        columns, target, numeric = self._checked(X, y)
        cells = self._encode(target)
        if len(cells) < _LEAST:
            raise ValueError(f"n_samples={len(cells)}: at least {_LEAST} rows are needed to fit and to choose a model")
        name, weight = _free(_TARGET, columns), _free(_WEIGHT, columns)
        given = {}
        if sample_weight is not None:
            given = {weight: _check_sample_weight(sample_weight, cells, dtype=np.float64).tolist()}
        out = self._temporary() / "run" if self.out is None else path_of("out", self.out)
        fitted = fit_table(
            {**columns, **given, name: cells},
            out=out,
            config=self._settings(name, columns, numeric, weight=weight if given else None),
        )
        self.run_ = fitted.run
        self.leaderboard_ = fitted.leaderboard
        self._model = load(fitted.run)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """[N] answers to the rows of X, which may be anything that `fit` takes; in dicts, columns may be missing."""
        return self._decode(self._answers(X))

    @property
    def model_(self) -> Model:
        """The loaded model, for whatever scikit-learn has no word for."""
        check_is_fitted(self)
        return self._model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Settings, and of what was fitted the files of the bundle: arrays, JSON and text."""
        state = dict(super().__getstate__())
        if state.pop("_model", None) is not None:
            bundle = self.run_ / "bundle"
            state["_bundle"] = {path.name: path.read_bytes() for path in sorted(bundle.iterdir())}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        files = state.pop("_bundle", None)
        super().__setstate__(state)
        if files is None:
            return
        self.run_ = self._temporary()
        (self.run_ / "bundle").mkdir()
        for name, content in files.items():
            (self.run_ / "bundle" / Path(name).name).write_bytes(content)
        self._model = load(self.run_)

    def _temporary(self) -> Path:
        """A folder that ends with the estimator."""
        folder = tempfile.mkdtemp(prefix="consilience-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def _checked(self, X: Any, y: Any) -> tuple[dict[str, Any], np.ndarray, bool]:
        """Columns of X by name, y [N], and whether X is an array of numbers. Sets what scikit-learn expects to know of
        X."""
        table = _columns(X)
        if table is None:
            array, target = validate_data(
                self, X, y, dtype=None, ensure_all_finite="allow-nan", y_numeric=self._numeric, reset=True
            )
            if (frame := _frame(X)) is not None:
                return frame, target, False
            return _named(array), target, array.dtype.kind in "biuf"
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        target = column_or_1d(y, warn=True)
        lengths = {len(cells) for cells in table.values()}
        if lengths != {len(target)}:
            raise ValueError(f"inconsistent numbers of rows: y has {len(target)}, columns of X have {sorted(lengths)}")
        self.n_features_in_ = len(table)
        self.feature_names_in_ = np.array(list(table), object)
        return table, target, False

    def _answers(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        _check_table(X)
        columns = _columns(X)
        if columns is None:
            array = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=False)
            frame = _frame(X)
            columns = _named(array) if frame is None else frame
        root = Path(self.media_root) if self.media_root is not None and self._model.media else None
        rows = X if isinstance(X, Sequence) and len(X) and isinstance(X[0], Mapping) else columns
        return self._model.predict_proba(rows, root=root)

    def _settings(self, name: str, columns: Mapping[str, Any], numeric: bool, *, weight: str | None) -> dict[str, Any]:
        expect(
            "config", self.config, (Mapping, NoneType), 'a dict of settings, for example config={"preset": "classic"}'
        )
        given = merge({"data": {"split": [0.8, 0.2, 0.0]}}, self.config or {})
        seed = self.random_state
        if seed is None or isinstance(seed, int | np.integer):
            seed = int(seed or 0)
        else:
            seed = int(check_random_state(seed).randint(2**31 - 1))
        own: dict[str, Any] = {
            "preset": self.preset,
            "time_budget": self.time_budget,
            "seed": seed,
            "task": self._task,
            "target": name,
        }
        if self.metric != "auto":
            own["metric"] = self.metric
        data = {"weight": weight, "media_root": self.media_root}
        if data := {key: value for key, value in data.items() if value is not None}:
            own["data"] = data
        if numeric and not given.get("inputs"):  # the values of an array of numbers are numbers, however few there are
            own["inputs"] = {"table": {"kind": "number", "columns": list(columns)}}
        return merge(given, own)

    def _encode(self, target: np.ndarray) -> list[Any]:
        raise NotImplementedError

    def _decode(self, answers: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class ConsilienceClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc, unused-ignore]
    """Predicts one of several classes from a table of anything.

    After `fit`: `classes_` [K], `n_features_in_`, `feature_names_in_` (where X has names), `run_` (the run folder, with
    report.html), `leaderboard_`, `model_`.

    >>> from consilience import ConsilienceClassifier
    >>> X = {"size": [1.0, 9.0, 1.5, 8.0] * 10, "note": ["tiny thing", "big thing", "so tiny", "so big"] * 10}
    >>> y = ["small", "large", "small", "large"] * 10
    >>> model = ConsilienceClassifier(preset="classic", time_budget=30).fit(X, y)
    >>> model.predict([{"size": 8.5, "note": "a big one"}, {"size": 1.2}]).tolist()
    ['large', 'small']
    >>> model.predict_proba([{"size": 8.5}]).shape, model.classes_.tolist()
    ((1, 2), ['large', 'small'])
    """

    _task, _numeric = "classification", False

    def predict_proba(self, X: Any) -> np.ndarray:
        """[N, K] probabilities, columns as in `classes_`."""
        return self._answers(X)

    def _encode(self, target: np.ndarray) -> list[Any]:
        check_classification_targets(target)
        self.classes_, numbers = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("y holds one class only; a classifier needs rows of at least two")
        cells: list[Any] = numbers.tolist()
        return cells

    def _decode(self, answers: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[self._model.task.decode(answers)])


class ConsilienceRegressor(RegressorMixin, _Estimator):  # type: ignore[misc, unused-ignore]
    """Predicts a number from a table of anything.

    After `fit`: `n_features_in_`, `feature_names_in_` (where X has names), `run_` (the run folder, with report.html),
    `leaderboard_`, `model_`.

    >>> import numpy as np
    >>> from consilience import ConsilienceRegressor
    >>> X = np.random.default_rng(0).normal(size=(80, 2))
    >>> model = ConsilienceRegressor(preset="classic", time_budget=30).fit(X, 3 * X[:, 0] - X[:, 1])
    >>> model.score(X, 3 * X[:, 0] - X[:, 1]) > 0.9
    True
    """

    _task, _numeric = "regression", True

    def _encode(self, target: np.ndarray) -> list[Any]:
        cells: list[Any] = np.asarray(target, np.float64).tolist()
        return cells

    def _decode(self, answers: np.ndarray) -> np.ndarray:
        found: np.ndarray = answers[:, 0]
        return found


def _check_table(X: Any) -> None:
    """Raises DataError for what is no table of any kind, which scikit-learn takes for an array."""
    if isinstance(X, str | bytes) or not any(hasattr(X, name) for name in ("__len__", "__array__", "shape")):
        raise DataError(
            f"X: {shown(X)} was given; give a DataFrame, a dict of columns, a list of dicts or a 2-D array. "
            "The table of a file: pandas.read_csv(path), or consilience.fit, which takes the path itself"
        )
    names = [str(name) for name in getattr(X, "columns", ())] if hasattr(X, "__dataframe__") else []
    unique_names(names, "X")


def _check_answers(y: Any) -> None:
    """Raises DataError for a row without an answer, whose "nan" would be a class like others."""
    if y is None or isinstance(y, str | bytes) or not hasattr(y, "__len__"):
        return  # scikit-learn says what is wrong
    missing = np.flatnonzero(pandas.isna(np.asarray(y, object)))
    if len(missing):
        raise DataError(
            f"y: Input y contains NaN: no answer in {len(missing):,} of {len(y):,} rows, as in row {missing[0] + 1}; "
            "leave such rows out of X and y"
        )


def _columns(X: Any) -> dict[str, Any] | None:
    """Columns of a dict of columns or a list of dicts; None of anything else."""
    if isinstance(X, Mapping) and not hasattr(X, "tocsr"):  # one kind of sparse matrix is a dict; none is taken
        for name, cells in X.items():
            if not is_column(cells):
                raise DataError(
                    f"X: column {str(name)!r} is {shown(cells)}, not a list of values; for a single row, give a list "
                    "with one dict: [{...}]"
                )
        return {str(name): list(cells) for name, cells in X.items()}
    if isinstance(X, Sequence) and not isinstance(X, str | bytes) and len(X) and all(isinstance(r, Mapping) for r in X):
        names = dict.fromkeys(str(name) for row in X for name in row)
        return {name: [row.get(name) for row in X] for name in names}
    return None


def _frame(X: Any) -> dict[str, Any] | None:
    """Columns of a DataFrame (of any package) as they are, under their names; None of anything else."""
    if not hasattr(X, "columns") or not hasattr(X, "__dataframe__"):
        return None
    return {str(name): X[name].tolist() if hasattr(X[name], "tolist") else X[name].to_list() for name in X.columns}


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, made longer until no column has it."""
    while name in taken:
        name += "_"
    return name


def _named(array: np.ndarray) -> dict[str, Any]:
    """The columns of an array [N, F] under names of their own."""
    return {f"x{place}": array[:, place].tolist() for place in range(array.shape[1])}
