"""Rows that say the same in every input: numbers for them that mean the same in every table. Knows no modality.

Compared is what was loaded, so texts that differ in white space, width of letters or case are the same, and media are
the same by content.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from consilience.data.cells import Cells, Dataset

MOST, LARGEST = 4, 0.05
"""How often a row may be there on average, and which share of the rows the most common one may be, for repeats
to be copies rather than values that come again."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


def contents(dataset: Dataset) -> np.ndarray:
    """[N] int64: rows with equal numbers are repeats of each other; -1 for a row that holds nothing."""
    total = np.zeros(dataset.rows, np.uint64)
    empty = np.ones(dataset.rows, bool)
    with np.errstate(over="ignore"):
        for name in sorted(dataset.inputs):
            part = _of(dataset.inputs[name])
            empty &= part == 0
            total = (total ^ (part + _MIX)) * np.uint64(0xBF58476D1CE4E5B9)
            total ^= total >> np.uint64(31)
    return np.where(empty, -1, (total >> np.uint64(1)).astype(np.int64))


def repeated(numbers: np.ndarray) -> bool:
    """Whether rows repeat others, but not as in a table of a few values that come again and again: there a repeat says
    nothing, and new rows will be repeats too."""
    _, count = np.unique(numbers[numbers >= 0], return_counts=True)
    return len(count) < count.sum() <= MOST * len(count) and count.max() <= max(2, LARGEST * len(numbers))


def told(train: np.ndarray, held: np.ndarray) -> str | None:
    """A sentence on rows of one table that repeat rows of another; None when there are none worth telling of."""
    both = np.isin(held, train) & (held >= 0)
    if not both.any() or not (repeated(train) or len(np.unique(train)) == len(train)):
        return None
    return (
        f"{both.sum():,} of {len(held):,} rows ({both.mean():.0%}) say the same in every input as a training row; what "
        "is measured on them is remembered, not learned"
    )


def _of(cells: Cells) -> np.ndarray:
    """[N] uint64: a number for the content of each row's cell; 0 when it is missing."""
    if (cells.groups >= 0).any():
        return (cells.groups + 1).astype(np.uint64)
    numbers = np.fromiter(map(_number, cells.values), np.uint64, len(cells.values))
    return numbers[cells.index]


def _number(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, np.ndarray):
        content = value.tobytes()
    else:
        content = (value if isinstance(value, str) else repr(value)).casefold().encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") | 1
