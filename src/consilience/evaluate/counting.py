"""Weighted counting that several metric sets share: sums by class, and how columns rank rows. Knows no metric set.

Shape legend: N rows, K answer columns, R weightings of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from consilience.evaluate.base import ratio


def auroc(
    answers: np.ndarray, own: Callable[[int], np.ndarray], weights: np.ndarray, classes: Sequence[int]
) -> np.ndarray:
    """[len(classes), R]: each class against the rest; NaN where it has not both kinds of rows. `own(k)` [N] bool.

    The weighted Mann-Whitney statistic: each row of the class counts the weight ranked below it, plus half of the
    weight it is tied with. Counting the class's own rows too adds exactly half the square of their weight.
    """
    positive, pairs_ = np.zeros((2, len(classes), weights.shape[1]))
    once = weights.shape[1] == 1 and bool((weights == 1).all())
    for slot, k in enumerate(classes):
        column, mine = np.ascontiguousarray(answers[:, k]), own(k)
        if mine.any() and not mine.all():
            positive[slot], pairs_[slot] = pairs_once(column, mine) if once else pairs(column, mine, weights)
    return ratio(pairs_ - positive**2 / 2, positive * (weights.sum(0) - positive))


def sums(weights: np.ndarray, classes: np.ndarray, rows: np.ndarray, width: int) -> np.ndarray:
    """[width, R]: the weights of `rows`, summed by their class."""
    if weights.shape[1] == 1:
        return np.bincount(classes[rows], weights[rows, 0], width)[:, None]
    out = np.zeros((width, weights.shape[1]))
    if len(rows):
        order = rows[np.argsort(classes[rows], kind="stable")]
        present, starts = np.unique(classes[order], return_index=True)
        out[present] = np.add.reduceat(weights[order], starts, axis=0)
    return out


def pairs(column: np.ndarray, own: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[R] weight of the own rows, and [R] that weight times all weight ranked below, ties counting half.

    Only the scores of own rows matter as positions: the weight below is summed between them, then accumulated.
    """
    order = np.argsort(column)
    ranked, ordered, place = column[order], weights[order], np.flatnonzero(own[order])
    below, through = np.searchsorted(ranked, ranked[place]), np.searchsorted(ranked, ranked[place], side="right")
    mark = np.zeros(len(order) + 1, bool)
    mark[[0, -1]] = mark[below] = mark[through] = True
    stops, number = np.flatnonzero(mark), np.cumsum(mark) - 1
    upto = np.zeros((len(stops), weights.shape[1]))
    np.cumsum(np.add.reduceat(ordered, stops[:-1], axis=0), axis=0, out=upto[1:])
    heavy = ordered[place]
    return heavy.sum(0), (heavy * (upto[number[below]] + upto[number[through]])).sum(0) / 2


def pairs_once(column: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`pairs` when every row counts once: the weight below a position is the position, and sorting is enough."""
    ranked, mine = np.sort(column), np.sort(column[own])
    below = np.searchsorted(ranked, mine)
    tied = bool((ranked[1:] == ranked[:-1]).any())
    through = np.searchsorted(ranked, mine, side="right") if tied else below + 1
    return np.array([float(len(mine))]), np.array([(below + through).sum() / 2])


def average_precision(column: np.ndarray, own: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[R]: the sum over distinct scores, from the highest, of recall gained x precision there; NaN without own rows.

    Rows of equal score come together, as in scikit-learn's `average_precision_score`.
    """
    order = np.argsort(-column, kind="stable")
    falling, ordered, place = -column[order], weights[order], np.flatnonzero(own[order])
    if not len(place):
        return np.full(weights.shape[1], np.nan)
    # Recall is gained at own rows alone: the weight of all rows is summed between the ends of theirs.
    ends, number = np.unique(np.searchsorted(falling, falling[place], side="right"), return_inverse=True)
    starts = np.concatenate([[0], ends[:-1]])
    total = np.cumsum(np.add.reduceat(ordered[: ends[-1]], starts, axis=0), axis=0)
    gained = np.add.reduceat(ordered[place], np.flatnonzero(np.diff(number, prepend=-1)), axis=0)
    found = np.cumsum(gained, axis=0)
    return ratio((gained * ratio(found, total, otherwise=0.0)).sum(0), found[-1])
