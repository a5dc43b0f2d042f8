"""What all learners do with rows: find those that hold the same cells, set some aside, spread answers over all classes.

Knows no learner and no modality.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from consilience.core.seeding import generator
from consilience.models.base import Block, Goal


def distinct(codes: list[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with equal numbers in all `codes` (each [count] int) are the same: the first of each kind, and [count]
    the kind of each row."""
    kind = np.zeros(count, np.int64)
    for code in codes:
        _, dense = np.unique(code, return_inverse=True)
        # Both are below the number of rows, so their product fits easily.
        _, kind = np.unique(kind * (int(dense.max(initial=0)) + 1) + dense, return_inverse=True)
    _, first = np.unique(kind, return_index=True)
    return first, kind


def collapse(
    blocks: Mapping[str, Block], goal: Goal, *, aside: float = 0.0, seed: int = 0
) -> tuple[dict[str, Block], Goal, np.ndarray]:
    """The same data with rows of equal cells and target made one, their weights added; rows of no weight go. Also which
    rows are held out [N] bool: about the share `aside` of them, see `hold_out`. They are drawn before rows become one:
    all rows of one class whose only cell is missing must not be on one side.

    Exact for every learner whose loss is a weighted sum over rows. 38,575 questions about pictures asked in 107 ways
    become a few hundred rows when the text is the only input.
    """
    counted = np.flatnonzero(goal.weights > 0)
    blocks, goal = {name: block.take(counted) for name, block in blocks.items()}, goal.take(counted)
    held = hold_out(blocks, goal, aside, seed) if aside else np.zeros(len(counted), bool)
    _, target = np.unique(goal.target, return_inverse=True)
    codes = [blocks[name].index for name in sorted(blocks)]
    first, kind = distinct([*codes, target, held], len(counted))
    weights = np.bincount(kind, goal.weights, len(first))
    narrowed = {name: block.take(first) for name, block in blocks.items()}
    return narrowed, replace(goal.take(first), weights=weights), held[first]


def hold_out(blocks: Mapping[str, Block], goal: Goal, share: float, seed: int) -> np.ndarray:
    """[N] bool: rows set aside, companions together."""
    group = companions(blocks, goal)
    drawn = generator(seed, "holdout").permutation(int(group.max()) + 1)
    return (drawn < min(round(share * len(drawn)), len(drawn) - 1))[group]


def deal(blocks: Mapping[str, Block], goal: Goal, folds: int, seed: int) -> np.ndarray:
    """[N]: the fold of each row, 0 to folds - 1, companions together."""
    group = companions(blocks, goal)
    return (generator(seed, "folds").permutation(int(group.max(initial=-1)) + 1) % folds)[group]


def companions(blocks: Mapping[str, Block], goal: Goal) -> np.ndarray:
    """[N]: rows of one number are not independent. Those are the rows of one group; of rows in no group, or alone in
    theirs, those that share a cell, in the input whose cells have the fewest rows. Missing cells are nobody's
    companions. Another order of the rows changes nothing but the fate of rows that are alike in all."""
    shared = np.zeros(len(goal.target), bool)
    if goal.groups is not None:
        _, group, sizes = np.unique(goal.groups, return_inverse=True, return_counts=True)
        shared = (goal.groups >= 0) & (sizes[group] > 1)
    there = {name: block.features.present[block.index] for name, block in blocks.items()}
    rank = np.arange(len(shared))
    if shared.any() or not all(known.all() for known in there.values()):  # or nobody asks for it
        rank[np.lexsort([goal.weights, goal.target, *(blocks[name].index for name in sorted(blocks))])] = rank.copy()
    cells = []
    for name in sorted(blocks):
        alone = len(blocks[name].features.present) + rank
        cells.append(np.unique(np.where(there[name], blocks[name].index, alone), return_inverse=True)[1])
    number = max(cells, key=lambda numbers: int(numbers.max(initial=-1)))
    if not shared.any():
        return number
    first = np.full(len(sizes), len(rank))  # a number of each group that does not hang on how it is called
    np.minimum.at(first, group, rank)
    return np.unique(np.where(shared, len(rank) + first[group], number), return_inverse=True)[1]


def softmax(scores: np.ndarray) -> np.ndarray:
    """[N, K] -> [N, K] probabilities."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def spread(answers: np.ndarray, classes: np.ndarray, width: int) -> np.ndarray:
    """Probabilities of the classes that training saw [N, len(classes)] -> of all classes [N, width], the others 0."""
    out = np.zeros((len(answers), width))
    out[:, classes] = answers
    return out
