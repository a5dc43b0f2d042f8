"""Which columns of the features trees see, and the dense matrix of them.

Knows no learner. A sparse block has far more columns than trees can use; the most telling ones are kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consilience.core.sparse import CSR
from consilience.models.base import Block, Goal

Columns = dict[str, np.ndarray]
"""Input name -> the columns kept of it [n] int64, ascending."""


def choose(blocks: Mapping[str, Block], goal: Goal, *, sparse: int) -> Columns:
    """All columns of dense blocks, the `sparse` most telling ones of each sparse block."""
    chosen: Columns = {}
    for name in sorted(blocks):
        matrix = blocks[name].features.matrix
        if isinstance(matrix, CSR):
            score = explained(matrix, blocks[name], goal)
            best = np.argsort(-score, kind="stable")[:sparse]
            chosen[name] = np.sort(best[score[best] > 0])
        else:
            chosen[name] = np.arange(matrix.shape[1])
    return chosen


def keep(columns: Columns, used: np.ndarray) -> Columns:
    """The columns whose place in `gather`'s matrix is in `used` (ascending), input by input; an input without any
    goes."""
    kept, place = {}, 0
    for name, numbers in columns.items():
        mine = used[(used >= place) & (used < place + len(numbers))] - place
        place += len(numbers)
        if len(mine):
            kept[name] = numbers[mine]
    return kept


def explained(matrix: CSR, block: Block, goal: Goal) -> np.ndarray:
    """[width]: the share of each column's variance that the target explains, which ranks columns as the ANOVA F does.

    Rows whose cell is missing are left out. Rounded, so that rounding errors do not break ties between twin columns.
    """
    there = block.features.present[block.index]
    index, weights, target = block.index[there], goal.weights[there], goal.target[there]
    cells = matrix.shape[0]
    total = weights.sum()
    if not total > 0:
        return np.zeros(matrix.width)
    values = matrix.to_scipy().astype(np.float64)
    held = np.bincount(index, weights, cells)  # weight of the rows that hold each cell
    mean = values.T @ held / total
    variance = values.multiply(values).T @ held / total - mean**2
    if goal.discrete:
        classes, number = np.unique(target, return_inverse=True)
        by_class = np.bincount(index * len(classes) + number, weights, cells * len(classes)).reshape(cells, -1)
        size = by_class.sum(0)
        inner = np.where(size > 0, size, 1.0)  # a class whose rows weigh nothing
        between = (((values.T @ by_class) / inner) ** 2 * (size / total)).sum(1) - mean**2
    else:
        centred = target - np.average(target, weights=weights)
        spread = np.average(centred**2, weights=weights)
        covariance = values.T @ np.bincount(index, weights * centred, cells) / total
        between = covariance**2 / spread if spread > 0 else np.zeros_like(mean)
    varies = variance > 1e-12 * (mean**2 + 1e-12)
    return np.round(np.where(varies, between / np.where(varies, variance, 1.0), 0.0), 9)


def gather(blocks: Mapping[str, Block], columns: Columns, rows: np.ndarray) -> np.ndarray:
    """[len(rows), F] float32 in the order of `columns`; NaN throughout where a cell is missing."""
    parts = [np.zeros((len(rows), 0), np.float32)]
    for name, kept in columns.items():
        features, cells = blocks[name].features, blocks[name].index[rows]
        matrix = features.matrix
        if isinstance(matrix, CSR):
            part = matrix.take(cells).columns(kept)
        elif len(kept) == matrix.shape[1]:
            part = matrix[cells].astype(np.float32, copy=False)
        else:
            part = matrix[cells[:, None], kept].astype(np.float32, copy=False)
        part[~features.present[cells]] = np.nan
        parts.append(part)
    return np.concatenate(parts, axis=1)
