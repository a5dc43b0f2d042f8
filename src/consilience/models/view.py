"""Rows of a table as models see them: distinct cells, which of them each row has, and features computed once.

Knows processors only by their promise (modalities/base.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from consilience.core.batch import Batch, Tokens
from consilience.core.sparse import CSR
from consilience.modalities.base import Features, Processor, Values
from consilience.models.base import Block

_CHUNK = 512
"""Cells featurised at once, at most."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One input: its loaded distinct cells, its processor, and features once somebody has asked for them."""

    values: Values
    processor: Processor
    stored: Callable[[], Features] | None = None
    """How features are come by where they are kept; None computes them."""
    _features: list[Features] = field(default_factory=list)
    _measures: list[Features | None] = field(default_factory=list)

    def features(self) -> Features:
        """Features of all distinct cells, computed or read on the first call."""
        if not self._features and self.stored is not None:
            self._features.append(self.stored())
        if not self._features:
            parts = [
                self.processor.features(self.values[start : start + _CHUNK])
                for start in range(0, max(1, len(self.values)), _CHUNK)
            ]
            self._features.append(_stack(parts))
        return self._features[0]

    def measures(self) -> Features | None:
        """Measures of all distinct cells, computed on the first call; None where the modality has none."""
        if not self._measures:
            self._measures.append(self.processor.measures(self.values))
        return self._measures[0]

    def known_features(self) -> Features | None:
        """Features, if somebody has asked for them before."""
        return self._features[0] if self._features else None

    def tokens(self, cells: np.ndarray) -> Tokens:
        """Tokens [len(cells), T, ...] of the chosen distinct cells."""
        return self.processor.collate([self.values[i] for i in cells])


@dataclass(frozen=True, kw_only=True)
class View:
    """N rows over distinct cells. Narrowing to some rows shares everything that was computed."""

    sources: Mapping[str, Source]
    index: Mapping[str, np.ndarray]
    """By input: the cell of each row [N] int64."""
    rows: int
    """N, which a model without inputs has too."""

    def __len__(self) -> int:
        return self.rows

    def take(self, rows: np.ndarray) -> View:
        index = {name: cells[rows] for name, cells in self.index.items()}
        return View(sources=self.sources, index=index, rows=len(rows))

    def without(self, names: Collection[str]) -> View:
        """The same rows with these inputs missing on every one of them."""
        nothing = np.zeros(self.rows, np.int64)
        gone = {name: Source(values=[None], processor=self.sources[name].processor) for name in names}
        return View(
            sources={**self.sources, **gone}, index={**self.index, **dict.fromkeys(gone, nothing)}, rows=self.rows
        )

    def shuffled(self, names: Collection[str], order: np.ndarray) -> View:
        """The same rows, where row r has these inputs of row order[r]."""
        moved = {name: self.index[name][order] for name in names}
        return View(sources=self.sources, index={**self.index, **moved}, rows=self.rows)

    def blocks(self, names: Sequence[str]) -> dict[str, Block]:
        def block(source: Source, index: np.ndarray) -> Block:
            return Block(features=source.features(), index=index, measures=source.measures())

        return {name: block(self.sources[name], self.index[name]) for name in names}

    def batch(
        self,
        rows: np.ndarray,
        names: Sequence[str],
        *,
        rng: np.random.Generator | None = None,
        drop: Mapping[str, np.ndarray] | None = None,
    ) -> Batch:
        """The distinct cells of `rows` (NumPy). With `rng`, each distinct cell is augmented; `drop[name]` [B] bool
        takes that input away from those rows."""
        inputs, cells = {}, {}
        for name in names:
            wanted = self.index[name][rows]
            distinct, place = np.unique(wanted, return_inverse=True)
            tokens = self.sources[name].tokens(distinct)
            if rng is not None:
                tokens = self.sources[name].processor.augment(tokens, rng)
            if drop is not None and drop[name].any():
                place = np.where(drop[name], len(distinct), place)
                tokens = _with_missing(tokens)
            inputs[name], cells[name] = tokens, place.astype(np.int64)
        return Batch(inputs=inputs, cells=cells)


def _with_missing(tokens: Tokens) -> Tokens:
    """One more cell at the end, missing."""
    return tokens.map(lambda array: np.concatenate([array, np.zeros((1, *array.shape[1:]), array.dtype)]))


def _stack(parts: list[Features]) -> Features:
    if len(parts) == 1:
        return parts[0]
    present = np.concatenate([p.present for p in parts])
    first = parts[0].matrix
    if not isinstance(first, CSR):
        return Features(matrix=np.concatenate([p.matrix for p in parts]), present=present, names=parts[0].names)
    blocks = [p.matrix for p in parts if isinstance(p.matrix, CSR)]
    counts = np.concatenate([np.diff(b.indptr) for b in blocks])
    matrix = CSR(
        values=np.concatenate([b.values for b in blocks]),
        indices=np.concatenate([b.indices for b in blocks]),
        indptr=np.concatenate([[0], np.cumsum(counts)]),
        width=first.width,
    )
    return Features(matrix=matrix, present=present, names=parts[0].names)
