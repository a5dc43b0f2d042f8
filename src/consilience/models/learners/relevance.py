"""How much the presence of each sparse column tells of the answer, so that a penalty can spare those that tell more.

A refinement of the log-count ratios of S. Wang, C. Manning, "Baselines and Bigrams", ACL 2012, to any number of classes
and to numbers: the divergence of the answers of the rows that have the column from the answers of all rows. Knows no
loss and no modality.

Shape legend: N rows, U distinct cells, P columns, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_CELLS = 32_768
"""Cells looked at at once: what is counted of a large table must not take the memory of the table again."""
_PRIOR = 2.0
"""Rows' worth of doubt: a column that one row has tells little."""


def penalty_factors(
    matrix: Any, cell: np.ndarray, weights: np.ndarray, target: np.ndarray, *, discrete: bool, share: float
) -> np.ndarray:
    """[P]: how many times as much the squared coefficient of each column is to cost. That is as if its numbers were
    larger by 1 / sqrt(factor); rows would then be as long as before in the mean, so one C goes on suiting them.

    `matrix` [U, P] of SciPy; `cell`, `weights`, `target` [N] of the rows, the target as class numbers from 0, or as
    numbers of mean 0 and deviation 1. `share`: 0 leaves all costs alike, towards 1 only what a column tells counts.
    """
    held = np.bincount(cell, weights, matrix.shape[0])
    answers = np.zeros((len(held), int(target.max()) + 1 if discrete else 1))
    classes = target if discrete else np.zeros(len(target), np.int64)
    np.add.at(answers, (cell, classes), weights if discrete else weights * target)
    counts, mass = np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1])
    found = np.zeros((matrix.shape[1], answers.shape[1]))
    for begin in range(0, len(held), _CELLS):
        part, some = matrix[begin : begin + _CELLS], slice(begin, begin + _CELLS)
        each = np.repeat(held[some], np.diff(part.indptr))
        counts += np.bincount(part.indices, each, matrix.shape[1])
        mass += np.bincount(part.indices, each * part.data.astype(np.float64) ** 2, matrix.shape[1])
        part.data = np.ones(len(part.data))
        found += part.T @ answers[some]
    tells = _divergence(counts, found, answers.sum(0)) if discrete else np.abs(found[:, 0]) / (counts + _PRIOR)
    usual = float(tells @ mass) / max(float(mass.sum()), 1e-300)
    if not usual > 0:
        return np.ones(matrix.shape[1])
    scale = (1 - share) + share * tells / usual
    scale *= np.sqrt(mass.sum() / (scale**2 @ mass))
    factors: np.ndarray = scale**-2
    return factors


def _divergence(counts: np.ndarray, found: np.ndarray, total: np.ndarray) -> np.ndarray:
    """[P]: sqrt(2 KL) of the classes of the rows that have a column [P, K] from those of all rows [K]. For numbers of
    one deviation the same expression is the absolute difference of the means."""
    prior = total / total.sum()
    classes = np.flatnonzero(prior)
    posterior = (found[:, classes] + _PRIOR * prior[classes]) / (counts + _PRIOR)[:, None]
    return np.sqrt(2 * np.maximum((posterior * np.log(posterior / prior[classes])).sum(1), 0.0))
