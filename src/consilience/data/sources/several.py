"""Several tables as one, below each other. Every row still knows its file and its line there. Knows no file format."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.data.table import BLOCK, LazyColumn, Table

_SHOWN = 5


def joined(tables: Sequence[Table], *, name: str, loose: bool = False) -> Table:
    """The rows of all tables, in order; the columns as the first has them.

    loose: a column that a table lacks is missing there (where every row names its own columns); otherwise DataError
    names what differs. Relative paths start at the folder that all tables share.
    """
    if len(tables) == 1:
        return tables[0]
    columns = list(dict.fromkeys(column for table in tables for column in table.columns))
    if not loose:
        columns = list(tables[0].columns)
        _agree(tables)
    lengths = [len(table) for table in tables]
    parts = {c: [table.columns.get(c) for table in tables] for c in columns}
    return Table(
        columns={c: _below(cells, lengths) for c, cells in parts.items()},
        name=name,
        root=Path(os.path.commonpath([table.root.absolute() for table in tables])),
        lines=_Lines(tables, lengths),
        files=[table.name for table in tables],
        file_of=np.repeat(np.arange(len(tables), dtype=np.int32), lengths),
        delimiter=tables[0].delimiter if len({table.delimiter for table in tables}) == 1 else "",
        labels=tuple(c for c in columns if any(c in table.labels for table in tables)),
        notes=tuple(note for table in tables for note in table.notes),
    )


def _agree(tables: Sequence[Table]) -> None:
    first = tables[0]
    problems = []
    for table in tables[1:]:
        lacks = [repr(c) for c in first.columns if c not in table.columns]
        more = [repr(c) for c in table.columns if c not in first.columns]
        if lacks or more:
            said = [f"lacks {', '.join(lacks)}"] * bool(lacks) + [f"has {', '.join(more)} besides"] * bool(more)
            problems.append(f"{table.name}: {' and '.join(said)}")
    if problems:
        rest = f"\nand {len(problems) - _SHOWN} files more" if len(problems) > _SHOWN else ""
        raise DataError(
            f"files that are read as one table must have the same columns. Compared with {first.name}:\n"
            + "\n".join(problems[:_SHOWN])
            + f"{rest}\nRename or add the columns, or leave the files out"
        )


def _below(parts: Sequence[Sequence[Any] | None], lengths: Sequence[int]) -> LazyColumn:
    starts = [0, *accumulate(lengths)]

    def make(begin: int, end: int) -> list[Any]:
        out: list[Any] = []
        at = bisect_right(starts, begin) - 1
        while begin < end:
            stop = min(end, starts[at + 1])
            part = parts[at]
            out += [None] * (stop - begin) if part is None else part[begin - starts[at] : stop - starts[at]]
            begin, at = stop, at + 1
        return out

    blocks = [part.block for part in parts if isinstance(part, LazyColumn)]
    return LazyColumn(starts[-1], make, block=min(blocks, default=BLOCK))


class _Lines(Sequence[int]):
    """What a user calls each row, in its own file."""

    def __init__(self, tables: Sequence[Table], lengths: Sequence[int]) -> None:
        self._line: list[Callable[[int], int]] = [table.line for table in tables]
        self._starts = [0, *accumulate(lengths)]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, row: Any) -> Any:
        at = bisect_right(self._starts, row) - 1
        return self._line[at](row - self._starts[at])
