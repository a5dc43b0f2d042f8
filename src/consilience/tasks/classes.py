"""Arithmetic of class numbers that several tasks share. Knows no label."""

from __future__ import annotations

import numpy as np


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


def entropy(share: np.ndarray) -> np.ndarray:
    """[...] of yes-or-no questions that are answered yes in this share of the rows, in nats."""
    inside = np.clip(share, 1e-12, 1 - 1e-12)
    return np.asarray(-(inside * np.log(inside) + (1 - inside) * np.log(1 - inside)))


def tenths(values: np.ndarray) -> np.ndarray:
    """[N] int64: in which tenth of the rows each value is; equal values are in one."""
    edges = np.quantile(values, np.arange(1, 10) / 10) if len(values) else np.zeros(0)
    return np.searchsorted(np.unique(edges), values, side="right").astype(np.int64)
