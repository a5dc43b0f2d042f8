"""Which rows go into which step. Rows that share an expensive cell go together, so that the cell is encoded once.

Knows inputs only by how many numbers one of their cells holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from consilience.core.batch import Batch
from consilience.models.view import View


def anchor(view: View, names: Sequence[str]) -> str:
    """The input for which going together saves most: (rows - distinct cells) x numbers in a cell."""

    def saving(name: str) -> tuple[float, str]:
        index = view.index[name]
        distinct = np.unique(index)
        size = view.sources[name].tokens(distinct[:8]).values[0].size
        return float((len(index) - len(distinct)) * size), name

    return max(names, key=saving)


def epoch(index: np.ndarray, *, rows: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches of about `rows` row numbers, every row once. `index` [N]: the anchor's cell of each row.

    Cells are shuffled and cut into batches; a cell with more rows than a batch is spread over several.
    """
    order = rng.permutation(len(index))
    by_cell = order[np.argsort(index[order], kind="stable")]
    place = np.arange(len(by_cell))
    starts = np.r_[True, np.diff(index[by_cell]) != 0]
    since = place - np.maximum.accumulate(np.where(starts, place, 0))
    piece = np.cumsum(since % rows == 0) - 1
    turns = rng.permutation(int(piece[-1]) + 1)
    ends = np.cumsum(np.bincount(piece)[turns])
    shuffled = by_cell[np.argsort(np.argsort(turns)[piece], kind="stable")]
    count = max(1, round(len(shuffled) / rows))
    last = np.searchsorted(ends, np.arange(1, count) * len(shuffled) / count, side="left")
    for batch in np.split(shuffled, ends[np.unique(last)]):
        if len(batch):
            yield batch


def parts(batch: Batch, count: int) -> Iterator[tuple[Batch, Tensor]]:
    """A batch of tensors in at most `count` parts of about as many rows, each with its own distinct cells; and which
    rows [n] they are. Cells are as they were drawn: a part is a piece of the same batch, not another one."""
    rows = len(next(iter(batch.cells.values())))
    device = next(iter(batch.cells.values())).device
    for chosen in torch.arange(rows, device=device).tensor_split(min(count, rows)):
        if count == 1:
            yield batch, chosen
            return
        inputs, cells = {}, {}
        for name, index in batch.cells.items():
            distinct, place = torch.unique(index[chosen], return_inverse=True)
            inputs[name], cells[name] = batch.inputs[name].take(distinct), place
        yield Batch(inputs=inputs, cells=cells), chosen
