"""A model's answers with inputs taken away or permuted. Knows inputs by name, and of the model only that it answers.

Two ways of taking what an input says away from a model that stays as it is:
- missing: the input is masked on every row, which is also what happens in production when it is not given;
- permuted: each row gets the input of another row, so that it looks as ever and says nothing (Breiman 2001, "Random
  forests"; Fisher, Rudin and Dominici 2019, "All models are wrong, but many are useful").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Protocol

import numpy as np

Subset = frozenset[str]


class Predictor(Protocol):
    """A model and N rows to answer."""

    @property
    def inputs(self) -> Sequence[str]: ...

    @property
    def rows(self) -> int: ...

    def answers(self, kept: Subset) -> np.ndarray:
        """[N, K] with every input outside `kept` missing on every row."""

    def shuffled(self, name: str, order: np.ndarray) -> np.ndarray:
        """[N, K] where row r has the input `name` of row order[r]."""


def subsets(names: Iterable[str]) -> Iterator[Subset]:
    """Every subset, smaller ones first, the empty one included."""
    listed = sorted(names)
    for size in range(len(listed) + 1):
        yield from map(frozenset, combinations(listed, size))


def orders(rows: int, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """`count` permutations of the rows in which no row keeps its place (a random cycle), so that the input of a row is
    always another's; of a single row there is none."""
    for _ in range(count if rows > 1 else 0):
        cycle = rng.permutation(rows)
        order = np.empty(rows, np.int64)
        order[cycle] = np.roll(cycle, 1)
        yield order


class Remembered:
    """A predictor that is asked for each subset once."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._known: dict[Subset, np.ndarray] = {}

    def answers(self, kept: Subset) -> np.ndarray:
        if kept not in self._known:
            self._known[kept] = self._predictor.answers(kept)
        return self._known[kept]
