"""What trees see of a row: columns of its features, measures of its sparse inputs, and evidence of those.

Knows no learner. Measures are for trees alone: linear models and kernels, which weigh an input as a whole, get worse by
them (benchmarks/RESULTS.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The matrix has the columns first, then the measures, then the evidence."""

    columns: Columns
    measured: Columns
    """By input, of those that have measures: which of them."""
    told: dict[str, Told]
    """By input, of those that have any."""

    @classmethod
    def fit(
        cls, blocks: Mapping[str, Block], goal: Goal, *, sparse: int, evidence: int, least: int, seed: int
    ) -> tuple[Sight, np.ndarray]:
        """And the training matrix [N, F] float32. `sparse`, `evidence`: so many columns and numbers of each sparse
        input, at most; `least`: so many rows have something in each of those columns."""
        classes = len(np.unique(goal.target)) if goal.discrete else 1
        evidence = min(evidence, classes if classes > 2 else 1)
        sparse, evidence = affordable(sparse, evidence, blocks, len(goal.target))
        told, shown = tell(blocks, goal, most=evidence, seed=seed)
        sight = cls(
            columns=choose(blocks, goal, sparse=sparse, least=least),
            measured={name: np.arange(block.features.matrix.shape[1]) for name, block in _measures(blocks).items()},
            told=told,
        )
        return sight, np.concatenate([*sight._plain(blocks, np.arange(len(goal.target))), shown], axis=1)

    @property
    def inputs(self) -> list[str]:
        return sorted({*self.columns, *self.measured, *self.told})

    def keep(self, used: np.ndarray) -> Sight:
        """Only those whose place in the matrix is in `used` (ascending)."""
        numbers = {name: np.arange(told.says.shape[1]) for name, told in self.told.items()}
        kept, place = [], 0
        for columns in (self.columns, self.measured, numbers):
            kept.append(keep(columns, used[used >= place] - place))
            place += sum(map(len, columns.values()))
        told = {name: self.told[name].only(some) for name, some in kept[2].items()}
        return Sight(columns=kept[0], measured=kept[1], told=told)

    def matrix(self, blocks: Mapping[str, Block], rows: np.ndarray) -> np.ndarray:
        """[len(rows), F] float32."""
        evidence = [told.of(blocks[name], rows) for name, told in self.told.items()]
        return np.concatenate([*self._plain(blocks, rows), *evidence], axis=1)

    def _plain(self, blocks: Mapping[str, Block], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns and measures."""
        return gather(blocks, self.columns, rows), gather(_measures(blocks), self.measured, rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """For `State.arrays`; the names of `columns`, `measured` and `told` go to its meta."""
        arrays = {f"columns.{i}": kept for i, kept in enumerate(self.columns.values())}
        arrays |= {f"measured.{i}": kept for i, kept in enumerate(self.measured.values())}
        for i, told in enumerate(self.told.values()):
            arrays |= {f"seen.{i}": told.seen, f"says.{i}": told.says}
        return arrays

    @classmethod
    def restore(
        cls, arrays: Mapping[str, np.ndarray], columns: Sequence[str], told: Sequence[str], measured: Sequence[str]
    ) -> Sight:
        return cls(
            columns={name: arrays[f"columns.{i}"] for i, name in enumerate(columns)},
            measured={name: arrays[f"measured.{i}"] for i, name in enumerate(measured)},
            told={name: Told(seen=arrays[f"seen.{i}"], says=arrays[f"says.{i}"]) for i, name in enumerate(told)},
        )


NOTHING = Sight(columns={}, measured={}, told={})


def _measures(blocks: Mapping[str, Block]) -> dict[str, Block]:
    """The measures of each input that has any, as a block."""
    some = ((name, block.measures, block.index) for name, block in blocks.items())
    return {name: Block(features=measures, index=index) for name, measures, index in some if measures is not None}


def affordable(sparse: int, evidence: int, blocks: Mapping[str, Block], rows: int) -> tuple[int, int]:
    """How many columns of each sparse block are looked at, and how many numbers of evidence at most, so that the matrix
    of all rows stays within `_NUMBERS`."""
    matrices = [block.features.matrix for block in (*blocks.values(), *_measures(blocks).values())]
    dense = sum(matrix.shape[1] for matrix in matrices if isinstance(matrix, np.ndarray))
    many = max(1, sum(isinstance(matrix, CSR) for matrix in matrices))
    room = (_NUMBERS // max(1, rows) - dense) // many
    evidence = min(evidence, max(_FEWEST // 2, room // 2))
    return min(sparse, max(_FEWEST, room - evidence)), evidence
