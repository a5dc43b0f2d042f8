"""Evidence: what all columns of a sparse input together say of the answer, as a few numbers that trees can cut.

A tree asks about one word at a time and has room for a few dozen; a text has thousands, each of which says a little.
Naive Bayes adds up by how much each of them moves the log odds of a class (A. McCallum, K. Nigam, "A comparison of
event models for naive Bayes text classification", AAAI workshop 1998); trees then weigh the sum against everything else
that a row has. For numbers, deviations from the mean are added up in place of log odds.

A training row is shown what *other* rows say of it, or trees would trust its own answer: cross-fitting, as for the
target encoding of D. Micci-Barreca, SIGKDD Explorations 2001.

Shape legend: N rows, U distinct cells, P columns, K classes, E numbers of an input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from consilience.core.sparse import CSR
from consilience.models.base import Block, Goal
from consilience.models.learners.columns import stretches
from consilience.models.learners.rows import deal

_FOLDS = 5
_DOUBT = 1.0
"""How much of a column rows must have had before what it says of them is half believed."""
_RAREST = 1e-9
"""The least share of a class; of rows that are asked, none may have it."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """How to add up what the columns of one input say."""

    seen: np.ndarray
    """[S] int32, ascending: the columns that training rows have"""
    says: np.ndarray
    """[S, E] float32"""

    def only(self, numbers: np.ndarray) -> Told:
        """Some of the E numbers."""
        return replace(self, says=np.ascontiguousarray(self.says[:, numbers]))

    def of(self, block: Block, rows: np.ndarray) -> np.ndarray:
        """[len(rows), E] float32, NaN where the cell is missing."""
        cells, place = np.unique(block.index[rows], return_inverse=True)
        matrix = block.features.matrix
        assert isinstance(matrix, CSR)
        out = _sizes(matrix.take(cells).narrow(self.seen)).matmul(self.says).astype(np.float32)
        out[~block.features.present[cells]] = np.nan
        return out[place]


def tell(blocks: Mapping[str, Block], goal: Goal, *, most: int, seed: int) -> tuple[dict[str, Told], np.ndarray]:
    """What each sparse input says, in at most `most` numbers, and what other training rows say of each [N, E of all]
    float32, NaN where a cell is missing. With more classes than that, of those that weigh most."""
    told: dict[str, Told] = {}
    shown = [np.zeros((len(goal.target), 0), np.float32)]
    sparse = [name for name in sorted(blocks) if isinstance(blocks[name].features.matrix, CSR)]
    if sparse and most and not (goal.discrete and (goal.target == goal.target[0]).all()):
        fold = deal(blocks, goal, _FOLDS, seed)
        for name in sparse:
            says = _Says(blocks[name], goal, most)
            told[name] = says.whole()
            shown.append(says.crossed(fold))
    return told, np.concatenate(shown, axis=1)


class _Says:
    """Of one input, what each column says, by the rows that are asked."""

    def __init__(self, block: Block, goal: Goal, most: int) -> None:
        matrix = block.features.matrix
        assert isinstance(matrix, CSR)
        self._block, self._matrix = block, matrix
        self._there = block.features.present[block.index]
        self._weights, self._discrete = goal.weights, goal.discrete
        if goal.discrete:
            classes, number = np.unique(goal.target, return_inverse=True)
            share = np.round(np.bincount(number, goal.weights) / goal.weights.sum(), 9)  # so that ties are ties
            # Of two classes the odds of one say all.
            kept = np.sort(np.argsort(-share, kind="stable")[:most]) if len(classes) > 2 else np.array([1])
            place = np.full(len(classes), len(kept))  # the last one is that of all others
            place[kept] = np.arange(len(kept))
            self._width, self._place, self._amount = len(kept), place[number], goal.weights
        else:
            off = goal.target - np.average(goal.target, weights=goal.weights)
            spread = np.sqrt(np.average(off**2, weights=goal.weights))
            self._width, self._place = 1, np.zeros(len(off), np.int64)
            self._amount = goal.weights * off / (spread or 1.0)
        self._all = self._count(np.arange(len(goal.target)))

    def whole(self) -> Told:
        return self._told(*self._all)

    def crossed(self, fold: np.ndarray) -> np.ndarray:
        """[N, E]: of each row, what the rows of other folds say. Nothing of its own fold is in it, how frequent a class
        is there as little as what a column says there: common columns would give that away."""
        out = np.full((len(fold), self._width), np.nan, np.float32)
        for number in range(_FOLDS):
            own = np.flatnonzero(fold == number)
            mine = own[self._there[own]]
            if len(mine):
                told = self._told(*(a - b for a, b in zip(self._all, self._count(own), strict=True)))
                for some in stretches(mine):
                    out[some] = told.of(self._block, some)
        return out

    def _count(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of some rows: how much they have of each column [P]; and of that, each class [P, E] (or times its deviation);
        and how much they weigh, each class first and all at the end [E + 1] (or with their deviation)."""
        kinds = self._width + 1
        mass, found = np.zeros(self._matrix.width), np.zeros((self._matrix.width, self._width))
        held = np.bincount(self._place[rows], self._amount[rows], kinds)
        held[-1] = self._weights[rows].sum()
        rows = rows[self._there[rows]]
        rows = rows[np.argsort(self._block.index[rows], kind="stable")]  # rows of one cell next to each other
        for some in stretches(rows):
            cells, cell = np.unique(self._block.index[some], return_inverse=True)
            turned = _sizes(self._matrix.take(cells)).to_scipy().astype(np.float64).T
            answers = np.bincount(cell * kinds + self._place[some], self._amount[some], len(cells) * kinds)
            mass += turned @ np.bincount(cell, self._weights[some], len(cells))
            found += turned @ answers.reshape(-1, kinds)[:, :-1]
        return mass, found, held

    def _told(self, mass: np.ndarray, found: np.ndarray, held: np.ndarray) -> Told:
        seen = np.flatnonzero(mass > 1e-6).astype(np.int32)  # what is left of a difference may be a rounding error
        mass, found, usual = mass[seen, None], found[seen], held[:-1] / max(held[-1], 1e-300)
        if self._discrete:
            prior = np.clip(usual, _RAREST, 1 - _RAREST)
            found = np.clip(found, 0, mass)
            says = np.log(found + _DOUBT * prior) - np.log(mass - found + _DOUBT * (1 - prior))
            says -= np.log(prior) - np.log(1 - prior)
        else:
            says = (found - mass * usual) / (mass + _DOUBT)
        # What says nothing is 0 in every fold, or trees could read off rounding errors which fold a row is in.
        return Told(seen=seen, says=np.round(says, 6).astype(np.float32) + np.float32(0))


def _sizes(matrix: CSR) -> CSR:
    """Hashed columns have signs, so that runs which share one cancel out; how much of a column there is has none."""
    return replace(matrix, values=np.abs(matrix.values)) if (matrix.values < 0).any() else matrix
