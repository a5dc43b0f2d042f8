"""Boosting trees with LightGBM on the clock, and its trees as a `Forest` of ours.

Knows no learner.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import UserError
from consilience.core.optional import lean
from consilience.core.threads import sensible
from consilience.models.learners.forest import Forest
from consilience.models.learners.grove import as_float32

_PATIENCE = 10
"""Rounds that may pass without gain on the rows held out."""
_NUMBERS_PER_THREAD = 1_000_000
"""A thread is worth its while for so many numbers of the matrix."""
_SAMPLE = 20_000
"""Rows whose values say where columns may be cut: 12 bytes a number of theirs while they are looked at."""
_ZERO = np.float32(1e-35)
"""LightGBM takes a number no farther from 0 than this for 0."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What is learnt from."""

    matrix: np.ndarray
    """[N, F] float32, NaN where missing"""
    target: np.ndarray
    """[N]: classes numbered from 0, or numbers of about unit spread"""
    classes: int
    """0: numbers"""
    weights: np.ndarray | None
    held: np.ndarray
    """[N] bool: not learnt from, but watched; boosting stops when they no longer gain"""


def boost(rows: Rows, settings: dict[str, Any], *, rounds: int, seconds: float) -> Any:
    """LightGBM's model after so many rounds, or as many as the time allows, but at least one. `settings`: by its
    names."""
    lightgbm = _lightgbm()
    many = rows.classes > 2
    # Of many classes it takes the curvature K / (K - 1) times as large as it is.
    steep = rows.classes / (rows.classes - 1) if many else 1.0
    settings = settings | {
        "learning_rate": settings["learning_rate"] * steep,
        "lambda_l2": settings["lambda_l2"] * steep,
        "objective": "multiclass" if many else "binary" if rows.classes else "regression",
        "num_class": rows.classes if many else 1,
        "bin_construct_sample_cnt": _SAMPLE,
        "min_data_in_bin": 1,
        "min_gain_to_split": 1e-6,  # less comes of rounding
        "num_threads": max(1, min(sensible(), rows.matrix.size // _NUMBERS_PER_THREAD)),
        "force_row_wise": True,
        "deterministic": True,
        "verbosity": -1,
    }

    def data(some: np.ndarray, like: Any = None) -> Any:
        weights = None if rows.weights is None else rows.weights[some]
        matrix = rows.matrix if some.all() else rows.matrix[some]
        return lightgbm.Dataset(matrix, label=rows.target[some], weight=weights, params=settings, reference=like)

    begin, watching = time.monotonic(), bool(rows.held.any())
    learnt = data(~rows.held)
    model = lightgbm.Booster(settings, learnt)
    if watching:
        model.add_valid(data(rows.held, learnt), "held")
    ready, best, least = time.monotonic(), 0, float("inf")
    for done in range(1, rounds + 1):
        if model.update():  # no tree can be cut any more
            break
        if watching:
            [(_, _, loss, _)] = model.eval_valid()
            best, least = (done, loss) if loss < least else (best, least)
            if done - best >= _PATIENCE:
                break
        now = time.monotonic()
        if now - begin + (now - ready) / done > seconds:
            break
    if watching:
        model.best_iteration = max(1, best)  # so many rounds it saves and predicts with
    return model


def forest_of(model: Any, matrix: np.ndarray) -> Forest:
    """The trees of a model that was fitted on (some rows of) `matrix`, read off its text.

    Where the rows that LightGBM looked at beforehand had nothing missing, it takes what is missing for 0. So do we if a
    row of the matrix is; else nothing is known of missing values, and they go where most rows went.
    """
    text = model.model_to_string().partition("end of trees")[0]
    trees = [dict(line.partition("=")[::2] for line in tree.splitlines()) for tree in text.split("\nTree=")[1:]]

    def read(key: str, kind: type) -> np.ndarray:
        return np.array(" ".join(tree.get(key, "") for tree in trees).split(), kind)

    leaves = read("num_leaves", np.int64)
    # Of each tree its cuts come first, then its leaves.
    start = np.cumsum([0, *(2 * leaves - 1)])
    root, cuts = (np.repeat(of_tree, 2 * leaves - 1) for of_tree in (start[:-1], leaves - 1))
    inner = np.arange(start[-1]) - root < cuts

    def place(key: str, kind: type, where: np.ndarray) -> np.ndarray:
        out: np.ndarray = np.zeros(len(inner), kind)
        out[where] = read(key, kind)
        return out

    def child(key: str) -> np.ndarray:
        number = place(key, np.int64, inner)  # below 0: the leaf ~number
        return np.where(inner, np.where(number < 0, cuts + ~number, number), -1)

    left, right = child("left_child"), child("right_child")
    column = place("split_feature", np.int32, inner)
    threshold = place("threshold", np.float64, inner)
    size = place("internal_count", np.int64, inner) + place("leaf_count", np.int64, ~inner)
    decision = place("decision_type", np.int64, inner)  # bit 1: missing goes left; bits 2 and 3: 2 if it was looked at
    unseen = np.where(np.isnan(matrix.max(0))[column], threshold >= 0, size[root + left] > size[root + right])
    missing_left = np.where(decision >> 2 == 2, decision & 2 > 0, unseen)
    # A cell that is just what LightGBM takes for 0 is not below 0.
    threshold = np.where(threshold == -np.float64(_ZERO), np.nextafter(-_ZERO, np.float32(-1)), threshold)
    return Forest(
        column=column,
        threshold=as_float32(threshold),
        missing_left=missing_left & inner,
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        value=place("leaf_value", np.float64, ~inner),
        start=start,
        baseline=np.zeros(model.num_model_per_iteration()),
    )


def _lightgbm() -> Any:
    """The package. It expects the system to have an OpenMP library; where there is none, PyTorch's will do."""
    with lean():
        try:
            import lightgbm
        except OSError as error:
            torch = find_spec("torch")
            library = Path(torch.origin or "").parent / "lib" / "libgomp.so.1" if torch else None
            if library is None or not library.is_file():
                raise UserError(
                    f"LightGBM cannot be loaded ({error}). It needs the system's OpenMP library: "
                    "apt-get install libgomp1 on Debian or Ubuntu, brew install libomp on a Mac."
                ) from error
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
            import lightgbm
    return lightgbm
