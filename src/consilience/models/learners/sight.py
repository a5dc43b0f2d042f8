"""What trees see of a row: columns of its features, measures of its sparse inputs, and evidence of those.

Knows no learner. Measures are for trees alone: linear models and kernels, which weigh an input as a whole, get worse by
them (benchmarks/RESULTS.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from consilience.core.sparse import CSR
from consilience.models.base import Block, Goal
from consilience.models.learners.columns import Columns, choose, gather, keep
from consilience.models.learners.evidence import Told, tell

_NUMBERS = 40_000_000
"""Numbers of the training matrix at most, 4 bytes each; on a larger table less of sparse inputs is looked at."""
_FEWEST = 8
"""But as many columns of each as this, and half as many numbers of evidence."""
_MEASURES = "\x1fmeasures"
"""After the name of an input: its measures, as if they were an input. No column has the character in its name."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    columns: Columns
    told: dict[str, Told]
    """By input, of those that have any."""

    @classmethod
    def fit(
        cls, blocks: Mapping[str, Block], goal: Goal, *, sparse: int, evidence: int, least: int, seed: int
    ) -> tuple[Sight, np.ndarray]:
        """And the training matrix [N, F] float32: columns and measures first, then evidence. `sparse`, `evidence`: so
        many columns and numbers of each sparse input, at most; `least`: so many rows have something in each of those
        columns."""
        blocks = _with_measures(blocks)
        classes = len(np.unique(goal.target)) if goal.discrete else 1
        evidence = min(evidence, classes if classes > 2 else 1)
        sparse, evidence = affordable(sparse, evidence, blocks, len(goal.target))
        columns = choose(blocks, goal, sparse=sparse, least=least)
        told, shown = tell(blocks, goal, most=evidence, seed=seed)
        matrix = gather(blocks, columns, np.arange(len(goal.target)))
        return cls(columns=columns, told=told), np.concatenate([matrix, shown], axis=1)

    @property
    def inputs(self) -> list[str]:
        return sorted({name.removesuffix(_MEASURES) for name in (*self.columns, *self.told)})

    def keep(self, used: np.ndarray) -> Sight:
        """Only those whose place in the matrix is in `used` (ascending)."""
        plain = sum(map(len, self.columns.values()))
        numbers = {name: np.arange(told.says.shape[1]) for name, told in self.told.items()}
        told = keep(numbers, used[used >= plain] - plain)
        return Sight(
            columns=keep(self.columns, used[used < plain]),
            told={name: self.told[name].only(kept) for name, kept in told.items()},
        )

    def matrix(self, blocks: Mapping[str, Block], rows: np.ndarray) -> np.ndarray:
        """[len(rows), F] float32."""
        blocks = _with_measures(blocks)
        evidence = [told.of(blocks[name], rows) for name, told in self.told.items()]
        return np.concatenate([gather(blocks, self.columns, rows), *evidence], axis=1)

    def arrays(self) -> dict[str, np.ndarray]:
        """For `State.arrays`; the names of `columns` and `told` go to its meta."""
        arrays = {f"columns.{i}": kept for i, kept in enumerate(self.columns.values())}
        for i, told in enumerate(self.told.values()):
            arrays |= {f"seen.{i}": told.seen, f"says.{i}": told.says}
        return arrays

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray], columns: list[str], told: list[str]) -> Sight:
        return cls(
            columns={name: arrays[f"columns.{i}"] for i, name in enumerate(columns)},
            told={name: Told(seen=arrays[f"seen.{i}"], says=arrays[f"says.{i}"]) for i, name in enumerate(told)},
        )


NOTHING = Sight(columns={}, told={})


def _with_measures(blocks: Mapping[str, Block]) -> dict[str, Block]:
    """The blocks, and each one's measures as a block of their own."""
    out = dict(blocks)
    for name, block in blocks.items():
        if block.measures is not None:
            out[name + _MEASURES] = Block(features=block.measures, index=block.index)
    return out


def affordable(sparse: int, evidence: int, blocks: Mapping[str, Block], rows: int) -> tuple[int, int]:
    """How many columns of each sparse block are looked at, and how many numbers of evidence at most, so that the matrix
    of all rows stays within `_NUMBERS`."""
    matrices = [block.features.matrix for block in blocks.values()]
    dense = sum(matrix.shape[1] for matrix in matrices if isinstance(matrix, np.ndarray))
    many = max(1, sum(isinstance(matrix, CSR) for matrix in matrices))
    room = (_NUMBERS // max(1, rows) - dense) // many
    evidence = min(evidence, max(_FEWEST // 2, room // 2))
    return min(sparse, max(_FEWEST, room - evidence)), evidence
