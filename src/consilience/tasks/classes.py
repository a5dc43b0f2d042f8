"""Arithmetic of class numbers that several tasks share. Knows no label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consilience.tasks.base import Overlooked


def class_shares(target: np.ndarray, width: int, weights: np.ndarray | None = None) -> np.ndarray:
    """[width]: the share of the rows (of their weight) that each class has."""
    if weights is None:
        return np.asarray(np.bincount(target, minlength=width) / max(1, len(target)))
    return np.asarray(np.bincount(target, weights, minlength=width) / (weights.sum() or 1.0))


def balanced(target: np.ndarray, width: int, weights: np.ndarray | None = None) -> np.ndarray:
    """[width] weights under which each class that occurs has the same weight in all, and the mean row 1."""
    counts = np.bincount(target, weights, minlength=width)
    present = counts > 0
    share = counts.sum() / max(present.sum(), 1)
    return np.where(present, share / np.where(present, counts, 1.0), 0.0)


def relieved(answers: np.ndarray, frequency: np.ndarray | None, balance: float) -> np.ndarray:
    """Answers [N, K] divided by their class's frequency to the power of `balance`: for the most probable class to be
    decided by. Under 1 the expected mean recall over classes is highest (the Bayes rule of balanced accuracy). Classes
    beyond `frequency`, and those it has none of, are left as they are."""
    if frequency is None or not balance:
        return answers
    factor = np.ones(answers.shape[1])
    factor[: len(frequency)] = np.where(frequency > 0, frequency, 1.0) ** -balance
    return np.asarray(answers * factor)


def never(predicted: np.ndarray, target: np.ndarray, names: Sequence[str], fewest: int) -> list[Overlooked]:
    """Of class numbers [N]: those that the target has often enough, and that are never predicted."""
    rows, said = (np.bincount(one, minlength=len(names)) for one in (target, predicted))
    found = np.flatnonzero((rows >= fewest) & (said[: len(names)] == 0)).tolist()
    classes = int((rows > 0).sum())
    return [Overlooked(name=names[k], rows=int(rows[k]), of=len(target), classes=classes) for k in found]


def entropy(share: np.ndarray) -> np.ndarray:
    """[...] of yes-or-no questions that are answered yes in this share of the rows, in nats."""
    inside = np.clip(share, 1e-12, 1 - 1e-12)
    return np.asarray(-(inside * np.log(inside) + (1 - inside) * np.log(1 - inside)))


def tenths(values: np.ndarray) -> np.ndarray:
    """[N] int64: in which tenth of the rows each value is; equal values are in one."""
    edges = np.quantile(values, np.arange(1, 10) / 10) if len(values) else np.zeros(0)
    return np.searchsorted(np.unique(edges), values, side="right").astype(np.int64)
