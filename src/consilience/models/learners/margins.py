"""What support vector machines share, whatever their margins are made of: losses, and margins made probabilities.

A margin is a row's score for a class. Margins become probabilities by a softmax with one slope and an offset per class,
fitted on rows the machine has not seen (Platt 1999, for many classes).
"""

from __future__ import annotations

import numpy as np

from consilience.models.learners.rows import softmax

_SLOPE = 3.0
"""What the slope is taken to be before any row is seen: a margin of 1 against -1 is then near certainty."""
_ROBUST = 1.0
"""Errors beyond epsilon by more than this many deviations of the target pull with constant force."""


def calibrate(margins: np.ndarray, number: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope [1] and offsets [K] of the softmax with the least log loss, with a mild pull to `_SLOPE` and 0 that
    decides where there are few rows."""
    from scipy.optimize import minimize

    at = np.arange(len(number)), number

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        slope = _SLOPE * np.exp(flat[0])
        chances = softmax(slope * margins + flat[1:])
        loss = -weights @ np.log(np.maximum(chances[at], 1e-300))
        chances[at] -= 1.0
        chances *= weights[:, None]
        pull = np.concatenate([[slope * (chances * margins).sum()], chances.sum(0)])
        return loss + 0.5 * (flat**2).sum(), pull + flat

    result = minimize(objective, np.zeros(margins.shape[1] + 1), jac=True, method="L-BFGS-B")
    return _SLOPE * np.exp(result.x[:1]), result.x[1:]


def centre_and_deviation(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Median, and the deviation as the median distance from it tells: a few outliers move neither."""

    def median(numbers: np.ndarray) -> float:
        order = np.argsort(numbers, kind="stable")
        total = np.cumsum(weights[order])
        return float(numbers[order][np.searchsorted(total, total[-1] / 2)])

    centre = median(values)
    distance = np.abs(values - centre)
    # 1.4826: of a normal distribution. Where half of the targets are one number, the mean distance has to do.
    return centre, 1.4826 * median(distance) or float(np.average(distance, weights=weights)) or 1.0


class Hinge:
    """Squared hinge of each class against the rest."""

    curvature = 1.0  # 2 for the half of the rows that fall short

    def __init__(self, number: np.ndarray, width: int) -> None:
        self._sign = np.where(number[:, None] == np.arange(width), 1.0, -1.0)

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        short = np.maximum(1.0 - self._sign * scores, 0.0)
        return (short**2).sum(1), -2.0 * self._sign * short


class Insensitive:
    """Nothing up to epsilon, squared up to `_ROBUST` beyond it, straight from there: smooth, and outliers are borne."""

    curvature = 1.0

    def __init__(self, target: np.ndarray, epsilon: float) -> None:
        self._target, self._epsilon = target[:, None], epsilon

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error = scores - self._target
        beyond = np.maximum(np.abs(error) - self._epsilon, 0.0)
        near = np.minimum(beyond, _ROBUST)
        return (near * (beyond - 0.5 * near))[:, 0], np.sign(error) * near
