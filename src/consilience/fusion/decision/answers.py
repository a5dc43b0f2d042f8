"""The answers of several models as one array with a mask, and what to say where no model answers.

Knows no rule: the rules beside it do the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consilience.core.errors import UserError
from consilience.fusion.base import Answers


def stack(answers: Answers, names: Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Values [M, N, K], zero where there is no answer, and which answers there are [M, N].

    Models come in the order of `names`, or of the alphabet, never in that of the mapping: sums of the same numbers
    in another order differ in their last bits.
    """
    names = sorted(answers) if names is None else names
    if not names:
        raise UserError("there is no answer to fuse: give the answers of at least one model")
    values = np.stack([np.asarray(answers[name], np.float64) for name in names])
    there: np.ndarray = ~np.isnan(values.sum(2))  # a sum is NaN where one of its terms is
    return np.where(there[:, :, None], values, 0.0), there


def fallback(target: np.ndarray, width: int, *, discrete: bool, weights: np.ndarray | None = None) -> np.ndarray:
    """[K]: the answer for a row that no model answers: every class alike, or the mean of the validation targets."""
    if discrete:
        return np.full(width, 1.0 / width)
    if weights is not None and weights.sum() > 0:
        return np.full(width, np.average(target, weights=weights))
    return np.full(width, target.mean() if len(target) else 0.0)


def counted(weights: np.ndarray | None, rows: int) -> np.ndarray:
    """[N] the weights of the rows, all 1 where there are none."""
    return np.ones(rows) if weights is None else np.asarray(weights, np.float64)


def mean(values: np.ndarray, there: np.ndarray, weights: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """[N, K]: weighted mean over the models that have an answer; `weights` [M], not below zero."""
    shares = there * weights[:, None]
    total = shares.sum(0)
    sums = (values * shares[:, :, None]).sum(0)
    return np.where((total > 0)[:, None], sums / np.where(total > 0, total, 1.0)[:, None], otherwise)


def logs(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """[M, N, K]: logarithms of probabilities, each at least 1e-6; a model without an answer says what the others that
    have one say on average, so it changes nothing."""
    out = np.log(np.clip(values, 1e-6, 1.0))
    return np.where(there[:, :, None], out, _others(out, there))


def filled(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """[M, N, K]: the answers, those of a model without one being the mean of the others'."""
    return np.where(there[:, :, None], values, _others(values, there))


def _others(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """[1, N, K]: the mean over the models that have an answer."""
    count = np.maximum(there.sum(0), 1)[:, None]
    return (np.where(there[:, :, None], values, 0.0).sum(0) / count)[None]
