"""Which class is taken for which: counts, and the tables a report shows of them. Knows class numbers; no metric set.

Shape legend: N rows, K classes, R weightings of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from consilience.evaluate.base import plain, ratio
from consilience.evaluate.counting import auroc, sums

_MATRIX = 100
"""Most classes for which the whole confusion matrix is given; beyond, its largest mistakes only."""
_PAIRS = 20


def counts(
    weights: np.ndarray, target: np.ndarray, predicted: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of each class, rows predicted to be it, and rows both: each [K, R]."""
    every = np.arange(len(target))
    return (
        sums(weights, target, every, classes),
        sums(weights, predicted, every, classes),
        sums(weights, target, np.flatnonzero(predicted == target), classes),
    )


def tables(answers: np.ndarray, target: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """per_class, classes, confusion [true][predicted] (None beyond 100 classes), and confused (the largest mistakes:
    true, predicted, rows)."""
    classes = answers.shape[1]
    one = np.ones((len(target), 1))
    support, guesses, hits = (c[:, 0] for c in counts(one, target, predicted, classes))
    table = {
        "precision": ratio(hits, guesses, otherwise=0.0),
        "recall": ratio(hits, support, otherwise=0.0),
        "f1": ratio(2 * hits, guesses + support, otherwise=0.0),
        "auroc": auroc(answers, lambda k: target == k, one, range(classes))[:, 0],
    }
    pairs, held = np.unique(target * classes + predicted, return_counts=True)
    matrix = None
    if classes <= _MATRIX:
        flat = np.zeros(classes * classes, int)
        flat[pairs] = held
        matrix = flat.reshape(classes, classes).tolist()
    wrong = pairs // classes != pairs % classes
    pairs, held = pairs[wrong], held[wrong]
    most = np.lexsort((pairs, -held))[:_PAIRS]
    return {
        "classes": list(names),
        "rows": len(target),
        "per_class": [
            {"class": names[k], "support": int(support[k]), **{m: plain(v[k]) for m, v in table.items()}}
            for k in range(classes)
        ],
        "confusion": matrix,
        "confused": [[names[pairs[i] // classes], names[pairs[i] % classes], int(held[i])] for i in most],
    }
