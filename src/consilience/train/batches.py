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
    starts = np.flatnonzero(np.r_[True, np.diff(index[by_cell]) != 0])
    pieces = [piece[i : i + rows] for piece in np.split(by_cell, starts[1:]) for i in range(0, len(piece), rows)]
    shuffled = [pieces[i] for i in rng.permutation(len(pieces))]
    sizes = np.cumsum([len(piece) for piece in shuffled])
    total = int(sizes[-1])
    count = max(1, round(total / rows))
    bounds = np.unique(np.searchsorted(sizes, np.arange(1, count) * total / count, side="left") + 1)
    for chunk in np.split(np.arange(len(shuffled)), bounds):
        if len(chunk):
            yield np.concatenate([shuffled[i] for i in chunk])


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
