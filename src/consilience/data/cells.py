"""The distinct cells of one input, loaded once, and which of them each row has.

Knows no modality: a value is whatever `Modality.load` returned, or None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from consilience.data.keys import KEY_BYTES, key_of
from consilience.data.pages import Pages
from consilience.modalities.base import Values


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One bad cell, or a remark on a part of one, for bad_cells.csv."""

    row: int
    """Row of the table, from 0."""
    column: str
    reason: str
    whole: bool = True
    """The whole cell counts as missing (False: only a part of it, as one number in a row of numbers)."""


class Chosen(Sequence[Any]):
    """Some of the values, without copying them into memory."""

    def __init__(self, values: Values, places: Sequence[int]) -> None:
        self.values, self.places = values, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            return [self.values[u] for u in self.places[item]]
        return self.values[self.places[item]]


class ArrayValues(Sequence[Any]):
    """Loaded values that are all alike, in one array [U, ...] (in memory, or mapped from a file).

    `[i]` is a read-only view of value i, or None where the cell is missing or bad; `[i:j]` looks at none before asked.
    """

    def __init__(self, array: np.ndarray, ok: np.ndarray, lengths: np.ndarray | None = None) -> None:
        """`lengths` [U]: how much of each value is real along its first axis; None when all of it is."""
        self._array = array.view(np.ndarray)  # a view of a memmap stays mapped, without the subclass's overhead
        self._array.flags.writeable = False
        self._pages = Pages(self._array)
        self._ok = ok
        self._lengths = lengths

    def __len__(self) -> int:
        return len(self._ok)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            return Chosen(self, range(*item.indices(len(self))))
        if not self._ok[item]:
            return None
        value = self._array[item] if self._lengths is None else self._array[item, : self._lengths[item]]
        self._pages.reading(value.nbytes)
        return value

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    @property
    def ok(self) -> np.ndarray:
        """[U] bool: which cells have a value."""
        return self._ok

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values [n, ...] as one copy, and which of them exist [n] bool; what does not exist is zeros, to be masked."""
        return self._array[indices], self._ok[indices]


@dataclass(frozen=True, kw_only=True)
class Cells:
    """One input of a table: values of U distinct cells (None: missing or bad) and the cell of each row [N] int64."""

    values: Values
    index: np.ndarray
    groups: np.ndarray
    """[N] int64: rows with equal numbers hold the same content (bytes of media; -1 where missing, bad or not media).
    The number is a hash of the content, so it means the same in every table."""
    problems: tuple[Problem, ...] = ()
    contents: np.ndarray | None = None
    """[U, 16] uint8: a key of the bytes of each media cell (data/keys.py), 0 where there is none; None: not media."""

    @cached_property
    def keys(self) -> np.ndarray:
        """[U, 16] uint8: what each cell holds, by hash: of its bytes if it is media, else of its loaded value; 0 for
        one without value. It means the same in every table."""
        keys = np.zeros((len(self.values), KEY_BYTES), np.uint8) if self.contents is None else self.contents.copy()
        for u in np.flatnonzero(~keys.any(1)).tolist():
            if (value := self.values[u]) is not None:
                keys[u] = np.frombuffer(key_of(value), np.uint8)
        return keys

    def weights(self) -> np.ndarray:
        """[U] float64: how many rows hold each cell. After `take`, 0 for cells that only other rows hold: what is
        fitted must not learn from those."""
        return np.bincount(self.index, minlength=len(self.values)).astype(np.float64)

    def take(self, rows: np.ndarray) -> Cells:
        """The chosen rows in the given order; values are kept as they are, problems follow their rows."""
        rows = np.asarray(rows, np.int64)
        kept: list[Problem] = []
        if self.problems:
            order = np.argsort(rows, kind="stable")
            wanted = np.array([p.row for p in self.problems])
            left, right = (np.searchsorted(rows[order], wanted, side) for side in ("left", "right"))
            for p, a, b in zip(self.problems, left, right, strict=True):
                kept += [Problem(row=int(n), column=p.column, reason=p.reason, whole=p.whole) for n in order[a:b]]
        kept.sort(key=lambda p: p.row)
        index, groups = self.index[rows], self.groups[rows]
        return replace(self, index=index, groups=groups, problems=tuple(kept))


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """All inputs of a table, loaded. `take` keeps the loaded values and only narrows the rows."""

    inputs: dict[str, Cells]
    rows: int

    def take(self, rows: np.ndarray) -> Dataset:
        return Dataset(inputs={name: cells.take(rows) for name, cells in self.inputs.items()}, rows=len(rows))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of all inputs, in the order of the rows."""
        return tuple(sorted((p for cells in self.inputs.values() for p in cells.problems), key=lambda p: p.row))


def merged(datasets: Sequence[Dataset]) -> Dataset:
    """Rows of several tables as one, in order; all have the same inputs. Cells stay apart, however equal; problems stay
    behind: whoever merges has looked at them."""
    if len(datasets) == 1:
        return datasets[0]
    inputs = {}
    for name in datasets[0].inputs:
        parts = [dataset.inputs[name] for dataset in datasets]
        starts = np.cumsum([0, *(len(part.values) for part in parts)])
        contents = [part.contents for part in parts if part.contents is not None]
        inputs[name] = Cells(
            values=[value for part in parts for value in part.values],
            index=np.concatenate([part.index + start for part, start in zip(parts, starts, strict=False)]),
            groups=np.concatenate([part.groups for part in parts]),
            contents=np.concatenate(contents) if len(contents) == len(parts) else None,
        )
    return Dataset(inputs=inputs, rows=sum(dataset.rows for dataset in datasets))
