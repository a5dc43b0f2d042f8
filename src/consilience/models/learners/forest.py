"""A forest of binary trees held in flat arrays, and a quick exact way to evaluate it with NumPy alone.

Knows no learner, no task and no input: a row of numbers goes in, sums of leaf values come out.

64 rows are evaluated together, one bit each. Every distinct question "is column f <= t?" is answered once for the
64 rows and packed in one 64-bit word; the words then flow down all trees at once, level by level:
rows at the left child = rows at the parent AND answer, at the right child = rows at the parent AND NOT answer.
At the end each row is in one leaf of each tree. All of it is exact, so a row gets the same bits alone or among others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consilience.core.errors import BundleError
from consilience.models.learners.rows import distinct

ROWS = 64
"""Rows that are evaluated together: the bits of a word."""
_TILE = 4096
"""Questions answered at once: 4096 x 64 float32 is 1 MB, which stays in the cache."""


@dataclass(frozen=True, kw_only=True)
class Forest:
    """T trees, one after the other; tree t adds its leaf's value to answer t % C, or to all answers where leaves hold a
    value for each.

    A node is a leaf where left < 0. Children are numbered inside their tree. A row goes left where its column is at
    most the threshold, and where it is NaN and missing_left.
    """

    column: np.ndarray
    """[nodes] int32"""
    threshold: np.ndarray
    """[nodes] float32"""
    missing_left: np.ndarray
    """[nodes] bool"""
    left: np.ndarray
    """[nodes] int32, -1 in leaves"""
    right: np.ndarray
    """[nodes] int32, -1 in leaves"""
    value: np.ndarray
    """[nodes] float64, of leaves; or [nodes, C]"""
    start: np.ndarray
    """[T + 1] int64: the nodes of tree t are start[t] to start[t + 1]; its root is the first"""
    baseline: np.ndarray
    """[C] float64"""

    @property
    def trees(self) -> int:
        return len(self.start) - 1


class Evaluator:
    """Evaluates one forest. Building it costs about as much as evaluating a few hundred rows."""

    def __init__(self, forest: Forest) -> None:
        _refuse_damage(forest)
        self._baseline = forest.baseline
        self._trees = forest.trees
        split = np.flatnonzero(forest.left >= 0)
        # Sorted by missing_left first: the questions that a NaN answers with no, then those it answers with yes.
        first, asked = distinct([a[split] for a in (forest.missing_left, forest.column, forest.threshold)], len(split))
        self._column, self._threshold = forest.column[split[first]], forest.threshold[split[first]]
        self._yes = len(first) - int(forest.missing_left[split[first]].sum())
        question = np.full(len(forest.left), -1, np.intp)
        question[split] = asked
        self._levels, place = _levels(forest, question)
        self._leaves(forest, place)

    def sum(self, rows: np.ndarray) -> np.ndarray:
        """[N, F] float32 -> [N, C] float64: baseline plus leaf values, added tree by tree."""
        out = np.empty((len(rows), len(self._baseline)))
        for begin in range(0, len(rows), ROWS):
            part = rows[begin : begin + ROWS]
            out[begin : begin + ROWS] = self._block(part)[: len(part)]
        return out

    def _block(self, rows: np.ndarray) -> np.ndarray:
        """[up to 64, F] -> [64, C]."""
        total = np.repeat(self._baseline[:, None], ROWS, axis=1)
        leaf = self._find(self._ask(rows))
        # One tree, or round of trees, after the other: the order of the sum is part of the answer.
        if self._value.ndim == 1:
            for value in self._value[leaf].reshape(-1, len(self._baseline), ROWS):
                total += value
        else:
            for tree in leaf:
                total += self._value[tree].T
        return total.T

    def _ask(self, rows: np.ndarray) -> np.ndarray:
        """[questions] words: the answers of up to 64 rows."""
        by_column = np.ascontiguousarray(rows.T, np.float32)
        bits = np.zeros((len(self._column), ROWS), bool)
        ranges = ((0, self._yes, np.less_equal), (self._yes, len(self._column), np.greater))
        for begin, end, compare in ranges:
            for tile in range(begin, end, _TILE):
                part = slice(tile, min(tile + _TILE, end))
                asked = by_column[self._column[part]]
                compare(asked, self._threshold[part, None], out=bits[part, : len(rows)])
        # "not greater" is "at most, or NaN": the questions whose missing rows go left.
        np.logical_not(bits[self._yes :], out=bits[self._yes :])
        return np.packbits(bits.reshape(-1), bitorder="little").view(np.uint64)

    def _find(self, answers: np.ndarray) -> np.ndarray:
        """[questions] words -> [T, 64]: the leaf each row ends in, as a place in `_value`."""
        here = np.full(self._trees, ~np.uint64(0))
        at_leaves = []
        for split, question, leaf in self._levels:
            at_leaves.append(here[leaf])
            parent = here[split]
            here = np.empty(2 * len(split), np.uint64)
            np.bitwise_and(parent, answers[question], out=here[: len(split)])
            np.bitwise_xor(parent, here[: len(split)], out=here[len(split) :])
        words = np.concatenate(at_leaves) if at_leaves else here
        planes = np.zeros((self._planes, self._trees), np.uint64)
        if len(self._member):
            planes.reshape(-1)[self._plane] = np.bitwise_or.reduceat(words[self._member], self._begin)
        bits = np.unpackbits(planes.view(np.uint8), bitorder="little").reshape(self._planes, self._trees, ROWS)
        number = np.repeat(self._first[:, None], ROWS, axis=1)
        for plane, bit in enumerate(bits):
            number += bit.astype(np.int32) << np.int32(plane)
        return number

    def _leaves(self, forest: Forest, place: np.ndarray) -> None:
        """Number the leaves of each tree from 0. Plane j of a tree holds the rows whose leaf number has bit j set:
        that is how 64 rows' leaves are read off the words of all leaves."""
        leaf = np.flatnonzero(forest.left < 0)
        tree = np.searchsorted(forest.start, leaf, side="right") - 1
        counts = np.bincount(tree, minlength=self._trees)
        first = np.cumsum(counts) - counts
        self._first = first.astype(np.int32)
        self._value = forest.value[leaf]
        number = np.arange(len(leaf)) - first[tree]
        self._planes = int(number.max(initial=0)).bit_length()
        keys, members = [], []
        for plane in range(self._planes):
            chosen = np.flatnonzero(number >> plane & 1)
            keys.append(plane * self._trees + tree[chosen])
            members.append(place[leaf[chosen]])
        key = np.concatenate(keys) if keys else np.zeros(0, np.int64)
        self._member = np.concatenate(members) if members else np.zeros(0, np.int64)
        self._plane, self._begin = np.unique(key, return_index=True)


def _refuse_damage(forest: Forest) -> None:
    """What is read from disk may be anything: a circle among the nodes would be followed for ever."""
    root, size = (np.repeat(a, np.diff(forest.start)) for a in (forest.start[:-1], np.diff(forest.start)))
    split = np.flatnonzero(forest.left >= 0)
    children = np.concatenate([forest.left[split], forest.right[split]])
    parents = np.concatenate([split, split])
    after = (children > parents - root[parents]) & (children < size[parents])
    if not after.all() or len(np.unique(children + root[parents])) < len(children):
        raise BundleError(
            "the trees of the saved model are damaged: a branch leads out of its tree or back. Save it again"
        )


def _levels(forest: Forest, question: np.ndarray) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], np.ndarray]:
    """For each depth: where its splits and its leaves are among the nodes of that depth, and the splits' questions.

    The next depth holds all left children, then all right children. Also [nodes]: the place of each leaf among all
    leaves in that order.
    """
    root = np.repeat(forest.start[:-1], np.diff(forest.start))
    left, right = forest.left + root, forest.right + root
    place = np.full(len(forest.left), -1, np.int64)
    levels, nodes, leaves = [], forest.start[:-1], 0
    while len(nodes):
        inner = forest.left[nodes] >= 0
        split, leaf = np.flatnonzero(inner), np.flatnonzero(~inner)
        place[nodes[leaf]] = leaves + np.arange(len(leaf))
        leaves += len(leaf)
        levels.append((split, question[nodes[split]], leaf))
        parents = nodes[split]
        nodes = np.concatenate([left[parents], right[parents]])
    return levels, place
