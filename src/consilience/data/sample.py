"""What is seen of a column: a sample of its cells, how many there are, a few examples. Knows no modality.

A table may have thousands of columns: what is done here is done for every cell of every one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from consilience.core.seeding import generator
from consilience.data.table import BLOCK, HEAVY, LazyColumn, Table, blocks, pick
from consilience.modalities.base import ColumnSample, are_numbers, blanks

SAMPLE = 1_000
_EXACT = 100_000
_FEW = 20
"""Different cells that are in any order a fair picture of them."""


def sample(table: Table, column: str) -> ColumnSample:
    """What a modality gets to see of a column: up to 1,000 of its cells that are not missing, the same every time.

    Up to 100,000 cells the choice and its order depend on the cells alone, not on the order of the rows (cells are
    ranked by a hash of the cell and of how often it has occurred before). A longer column is first thinned evenly by
    position to 100,000, so there another order of rows gives a slightly different sample.
    """
    cells = table[column]
    there = _there(cells)
    if len(there) > _EXACT:
        there = there[(np.arange(_EXACT) * (len(there) / _EXACT)).astype(np.int64)]
    chosen = _shuffled(pick(cells, there)) if len(there) <= SAMPLE else None
    if chosen is None:
        chosen = pick(cells, [row for _, row in sorted(_ranks(cells, there))[:SAMPLE]])
    if isinstance(cells, LazyColumn) and cells.block < BLOCK:  # large values: not too many of them
        sizes = np.cumsum([len(cell) if isinstance(cell, str | bytes) else 0 for cell in chosen])
        chosen = chosen[: max(1, int(np.searchsorted(sizes, HEAVY, side="right")))]
    return ColumnSample(
        name=column,
        cells=chosen,
        rows=len(table),
        distinct=len(set(chosen)),
        root=table.root,
        delimiter=table.delimiter,
    )


def _shuffled(cells: list[Any]) -> list[Any] | None:
    """The cells in an order that is quickly found and depends on them alone; None where that is not possible. Wide
    tables are mostly numbers or few words, and hashing each of a million would take seconds."""
    if set(map(type, cells)) not in ({str}, {int}, {float}) or (len(set(cells)) > _FEW and not are_numbers(cells)):
        return None
    cells.sort()
    return list(map(cells.__getitem__, _order(len(cells))))


@lru_cache(maxsize=64)
def _order(count: int) -> list[int]:
    return generator(0, "sample").permutation(count).tolist()


def _ranks(cells: Sequence[Any], rows: np.ndarray) -> Iterator[tuple[bytes, int]]:
    """A rank and the row, for each of the rows (which ascend). Large values are not held together."""
    seen: dict[bytes, int] = {}
    hashes = [hashlib.blake2b(digest_size=8)]  # by how often the cell has occurred; copying one is cheaper than making
    for row, cell in _each(cells, rows):
        # A long value is ranked by its length and first bytes: hashing all of every picture would not be quick.
        content = repr((len(cell), cell[:256]) if isinstance(cell, bytes) else cell).encode("utf-8", "surrogatepass")
        seen[content] = again = seen.get(content, 0) + 1
        if again == len(hashes):
            hashes.append(hashlib.blake2b(digest_size=8, salt=again.to_bytes(8)))
        ranked = hashes[again].copy()
        ranked.update(content)
        yield ranked.digest(), row


def _each(cells: Sequence[Any], rows: np.ndarray) -> Iterator[tuple[int, Any]]:
    begin = 0
    for block in blocks(cells):
        first, last = np.searchsorted(rows, [begin, begin + len(block)])
        yield from ((row, block[row - begin]) for row in rows[first:last].tolist())
        begin += len(block)


def _there(cells: Sequence[Any]) -> np.ndarray:
    """The rows that have a cell."""
    return np.flatnonzero(np.concatenate([np.zeros(0, bool), *(~blanks(block) for block in blocks(cells))]))


def count(cells: Sequence[Any], markers: Collection[str] = ()) -> tuple[int, int]:
    """How many cells there are that are neither empty nor one of the texts that mean missing, and how many distinct
    ones. By their hashes: the cells of a long column are never held together."""
    words = frozenset(markers)
    hashes = [np.zeros(0, np.int64)]
    for block in blocks(cells):
        if set(map(type, block)) <= {str, type(None)}:
            texts: list[Any] = [c for c in block if c is not None and (text := c.strip()) and text not in words]
        else:
            there = np.flatnonzero(~blanks(block)).tolist()
            known = (c for r in there if not (isinstance(c := block[r], str) and c.strip() in words))
            # Not hash(cell): of -1 and -2 it is the same, and so it is of 1 and True.
            texts = [c if isinstance(c, str | bytes) else (type(c).__name__, repr(c)) for c in known]
        hashes.append(np.fromiter(map(hash, texts), np.int64, len(texts)))
    found = np.concatenate(hashes)
    return len(found), len(np.unique(found))


def examples(cells: Sequence[Any], most: int = 3, width: int = 40) -> tuple[str, ...]:
    """A few of the cells that differ, each in one short line."""
    out: list[str] = []
    for cell in cells:
        text = f"<{len(cell):,} bytes>" if isinstance(cell, bytes) else " ".join(str(cell).split())
        text = text if len(text) <= width else text[: width - 1] + "…"
        if text not in out:
            out.append(text)
        if len(out) == most:
            break
    return tuple(out)
