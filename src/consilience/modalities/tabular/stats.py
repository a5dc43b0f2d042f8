"""Statistics of weighted numbers that do not depend on the order of the rows, bit for bit. Knows no columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HUGE = 1e90
"""Numbers beyond this are counted as this: their third powers must still be finite."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Distinct numbers in ascending order and how many rows hold each."""

    values: np.ndarray
    counts: np.ndarray

    @property
    def mean(self) -> float:
        if len(self.values) < 2:
            return float(self.values[0]) if len(self.values) else 0.0
        return float((self.values * self.counts).sum() / self.counts.sum())

    @property
    def spread(self) -> float:
        """Standard deviation (of the population); 0 when nothing varies beyond rounding."""
        if len(self.values) < 2:
            return 0.0
        mean = self.mean
        spread = float(np.sqrt((self.counts * (self.values - mean) ** 2).sum() / self.counts.sum()))
        return spread if spread > 1e-14 * abs(mean) else 0.0

    @property
    def skewness(self) -> float:
        spread = self.spread
        if spread == 0.0:
            return 0.0
        return float((self.counts * ((self.values - self.mean) / spread) ** 3).sum() / self.counts.sum())

    def quantiles(self, count: int) -> tuple[float, ...]:
        """`count` of them at equal steps from the smallest to the largest; each is a number that occurs."""
        reached = np.cumsum(self.counts)
        places = np.searchsorted(reached, np.linspace(0.0, 1.0, count) * reached[-1], side="left")
        return tuple(self.values[np.minimum(places, len(self.values) - 1)].tolist())

    def clipped(self, tail: float) -> Counted:
        """The share `tail` at each end pulled in to the quantile there (a number that occurs)."""
        if not len(self.values) or tail == 0:
            return self
        reached = np.cumsum(self.counts)
        low = self.values[np.searchsorted(reached, tail * reached[-1], side="right")]
        high = self.values[np.searchsorted(reached, (1 - tail) * reached[-1], side="left")]
        return count(np.clip(self.values, low, high), self.counts)


def count(numbers: np.ndarray, weights: np.ndarray) -> Counted:
    """NaN is left out; so is what no row holds."""
    keep = ~np.isnan(numbers) & (weights > 0)
    # Sorting by weight too makes the sums below independent of the order even for weights that are not whole.
    numbers, weights = np.clip(numbers[keep], -HUGE, HUGE) + 0.0, weights[keep]
    order = np.lexsort((weights, numbers))
    values, place = np.unique(numbers[order], return_inverse=True)
    return Counted(values=values, counts=np.bincount(place, weights[order].astype(np.float64), minlength=len(values)))


def centre_and_scale(counted: Counted, tail: float) -> tuple[float, float]:
    """Mean and standard deviation with the tails pulled in; the scale of a constant is 1."""
    robust = counted.clipped(tail)
    if robust.spread > 0:
        return robust.mean, robust.spread
    if counted.spread > 0:  # a rare flag: all that varies is in the tails
        return counted.mean, counted.spread
    return counted.mean, 1.0
