"""Which columns of the features trees see, and the dense matrix of them.

Knows no learner. A sparse block has far more columns than trees can use; the most telling ones are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from consilience.core.sparse import CSR
from consilience.models.base import Block, Goal

Columns = dict[str, np.ndarray]
"""Input name -> the columns kept of it [n] int64, ascending."""

_STRETCH = 32_768
"""Sparse cells that are looked at together: copies of a large table's would not fit in memory."""


def choose(blocks: Mapping[str, Block], goal: Goal, *, sparse: int, least: int) -> Columns:
    """All columns of dense blocks; of each sparse block the `sparse` most telling ones of those that at least `least`
    rows have something in, so that a tree can cut there."""
    chosen: Columns = {}
    for name in sorted(blocks):
        matrix = blocks[name].features.matrix
        if isinstance(matrix, CSR):
            score = np.where(_filled(matrix, blocks[name]) >= least, explained(matrix, blocks[name], goal), 0.0)
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
    held = np.bincount(index, weights, cells)  # weight of the rows that hold each cell
    if goal.discrete:
        classes, number = np.unique(target, return_inverse=True)
        asked = np.bincount(index * len(classes) + number, weights, cells * len(classes)).reshape(cells, -1)
    else:
        centred = target - np.average(target, weights=weights)
        asked = np.bincount(index, weights * centred, cells)[:, None]
    sums, squares, answers = _sums(matrix, held, asked)
    mean = sums / total
    variance = squares / total - mean**2
    if goal.discrete:
        size = asked.sum(0)
        inner = np.where(size > 0, size, 1.0)  # a class whose rows weigh nothing
        between = ((answers / inner) ** 2 * (size / total)).sum(1) - mean**2
    else:
        spread = np.average(centred**2, weights=weights)
        between = (answers[:, 0] / total) ** 2 / spread if spread > 0 else np.zeros_like(mean)
    varies = variance > 1e-12 * (mean**2 + 1e-12)
    return np.round(np.where(varies, between / np.where(varies, variance, 1.0), 0.0), 9)


def _sums(matrix: CSR, held: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every column: its sum and that of its squares, weighted by `held` [cells], and its products with `asked`
    [cells, K] summed [width, K]. A stretch of cells at a time: copies of a large table's would not fit in memory."""
    sums, squares = np.zeros(matrix.width), np.zeros(matrix.width)
    answers = np.zeros((matrix.width, asked.shape[1]))
    for cells in stretches(np.arange(matrix.shape[0])):
        values = matrix.take(cells).to_scipy().astype(np.float64)
        sums += values.T @ held[cells]
        answers += values.T @ asked[cells]
        values.data **= 2
        squares += values.T @ held[cells]
    return sums, squares, answers


def _filled(matrix: CSR, block: Block) -> np.ndarray:
    """[width]: how many rows have something else than 0 in each column."""
    rows = np.bincount(block.index[block.features.present[block.index]], minlength=matrix.shape[0])
    counts = np.zeros(matrix.width)
    for cells in stretches(np.arange(matrix.shape[0])):
        values = matrix.take(cells).to_scipy()
        counts += (values != 0).T @ rows[cells]
    return counts


def stretches(cells: np.ndarray) -> Iterator[np.ndarray]:
    """Some numbers after the other."""
    yield from (cells[start : start + _STRETCH] for start in range(0, len(cells), _STRETCH))


def gather(blocks: Mapping[str, Block], columns: Columns, rows: np.ndarray) -> np.ndarray:
    """[len(rows), F] float32 in the order of `columns`; NaN throughout where a cell is missing."""
    parts = [np.zeros((len(rows), 0), np.float32)]
    for name, kept in columns.items():
        features, cells = blocks[name].features, blocks[name].index[rows]
        matrix = features.matrix
        if isinstance(matrix, CSR):
            part = np.zeros((len(cells), len(kept)), np.float32)
            for some in stretches(np.arange(len(cells))):
                part[some] = matrix.take(cells[some]).columns(kept)
        elif len(kept) == matrix.shape[1]:
            part = matrix[cells].astype(np.float32, copy=False)
        else:
            part = matrix[cells[:, None], kept].astype(np.float32, copy=False)
        part[~features.present[cells]] = np.nan
        parts.append(part)
    return np.concatenate(parts, axis=1)
