"""Does a probability mean what it says? Reliability bins, the calibration error, and temperature scaling.

Knows probabilities and whether they came true; knows no model and fits nothing but one number.
Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from consilience.evaluate.base import checked

BINS = 15
_FLOOR = 1e-15
_RANGE = (0.05, 20.0)
"""Temperatures considered: outside, a model is either perfect on these rows or says nothing."""


def equal_mass(confidence: np.ndarray, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """(order [N], starts): rows from least to most confident, and where in that order each bin starts.

    Bins hold equally many rows, except that equal confidences are never parted, so there may be fewer bins. The edges
    are the quantiles of the confidence, as in scikit-learn's `calibration_curve(strategy="quantile")`.
    """
    order = np.argsort(confidence)
    ranked = confidence[order]
    if not len(ranked):
        return order, np.zeros(0, np.int64)
    edges = np.quantile(ranked, np.linspace(0, 1, bins + 1)[1:-1])
    starts = np.unique(np.concatenate([[0], np.searchsorted(ranked, edges, side="right")]))
    return order, starts[starts < len(ranked)]


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[dict[str, Any]]:
    """For each bin: its range of confidence, its rows, their mean confidence and the share that came true."""
    order, starts = equal_mass(confidence, bins)
    ranked, outcome = confidence[order], right[order]
    ends = [*starts, len(order)][1:]
    return [
        {
            "from": float(ranked[a]),
            "to": float(ranked[b - 1]),
            "rows": int(b - a),
            "confidence": float(ranked[a:b].mean()),
            "accuracy": float(outcome[a:b].mean()),
        }
        for a, b in zip(starts, ends, strict=True)
    ]


def temperature(answers: np.ndarray, target: np.ndarray) -> float:
    """The T for which softmax(log(answers) / T) has the smallest log loss; 1.0 when there are no rows.

    Above 1 the model was too sure of itself, below 1 not sure enough. Clipped to 0.05 .. 20. The log loss is convex in
    1 / T, so its slope has one zero, found by bisection.
    """
    answers, target = checked(answers, target)
    if not len(answers):
        return 1.0
    logits = np.log(np.clip(answers, _FLOOR, 1.0))
    logits -= logits.max(1, keepdims=True)
    wanted = logits[np.arange(len(target)), target].mean()

    def slope(inverse: float) -> float:
        powers = np.exp(logits * inverse)
        return float(((powers * logits).sum(1) / powers.sum(1)).mean() - wanted)

    low, high = np.log(1 / _RANGE[1]), np.log(1 / _RANGE[0])
    if slope(np.exp(low)) >= 0:
        return _RANGE[1]
    if slope(np.exp(high)) <= 0:
        return _RANGE[0]
    for _ in range(40):
        middle = (low + high) / 2
        if slope(np.exp(middle)) < 0:
            low = middle
        else:
            high = middle
    return float(np.exp(-(low + high) / 2))


def rescale(answers: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities [N, K] at another temperature; the order of the classes does not change."""
    logits = np.log(np.clip(np.asarray(answers, np.float64), _FLOOR, 1.0)) / temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))
