"""Confidence intervals by the cluster bootstrap: which rows are redrawn, how often, and what their spread says.

Knows weights and numbers; knows no metric's formula. Rows that share a picture are not independent evidence: they are
drawn together, as one unit (Field and Welsh 2007, "Bootstrapping clustered data").
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from consilience.core.seeding import generator
from consilience.evaluate.base import Metric

LEVEL = 0.95
_CHUNK = 4_000_000
"""Weights held at once (numbers, 8 bytes each)."""


def units(groups: np.ndarray | None, rows: int) -> np.ndarray:
    """[N] int64 number of the unit each row is drawn with, from 0 without gaps, in order of first appearance.

    Rows of one group are one unit; a row of group -1, or any row without `groups`, is a unit of its own.
    """
    if groups is None:
        return np.arange(rows)
    groups = np.asarray(groups, np.int64)
    alone = groups < 0
    labels = np.where(alone, -1 - np.arange(rows), groups)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def canonical(
    answers: np.ndarray, target: np.ndarray, groups: np.ndarray | None, weights: np.ndarray | None = None
) -> np.ndarray:
    """[N] an order of the rows that depends on their content only, so that intervals do not depend on row order."""
    rows = len(target)
    columns = [np.asarray(target, np.float64).reshape(rows, -1), answers]
    columns += [np.asarray(more, np.float64)[:, None] for more in (groups, weights) if more is not None]
    table = np.ascontiguousarray(np.concatenate(columns, axis=1))
    return np.argsort(table.view(np.dtype((np.void, table.shape[1] * 8))).reshape(rows), kind="stable")


def resampled(unit: np.ndarray, *, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Weights [N, r] in chunks, `resamples` columns in all: how often each row was drawn, whole units at a time."""
    rows, count = len(unit), int(unit.max()) + 1
    rng = generator(seed, "bootstrap")
    chunk = max(1, min(resamples, _CHUNK // rows))
    for start in range(0, resamples, chunk):
        width = min(chunk, resamples - start)
        drawn = np.empty((width, count))
        for r in range(width):
            drawn[r] = np.bincount(rng.integers(0, count, count), minlength=count)
        yield np.ascontiguousarray(drawn.T)[unit]


def interval(samples: np.ndarray, value: float, metric: Metric, *, count: int) -> list[float] | None:
    """The percentile interval of resampled values [R], widened to hold `value`; `count` units were drawn from.

    When no resample differs (every row right, or a single unit) the bootstrap sees no doubt where there is some: a
    share then gets the exact binomial bounds for `count` trials, and any other metric has no interval (None). The
    interval is None too when the metric is undefined on more than half of the resamples.
    """
    seen = samples[np.isfinite(samples)]
    if not np.isfinite(value) or len(seen) < 2 or len(seen) < len(samples) / 2:
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(seen, [tail, 1 - tail])
    if metric.centred:
        low, high = low + value - seen.mean(), high + value - seen.mean()
    if high - low <= 1e-12 * max(1.0, abs(value)):
        if not metric.share:
            return None
        bound = tail ** (1 / count)  # Clopper and Pearson when all of `count` trials agree
        low, high = value * bound, 1 - (1 - value) * bound
    if metric.share:
        low, high = max(low, 0.0), min(high, 1.0)
    return [float(min(low, value)), float(max(high, value))]
