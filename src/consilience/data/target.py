"""Which columns are the target, the raw cells of it, and how much each row counts. Knows no task and no modality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.core.number_forms import numeric_form
from consilience.data.table import BLOCK, LazyColumn, Rows, Table, blocks, pick
from consilience.modalities.base import MISSING_MARKERS, blanks, is_blank


def columns_of(target: str | Sequence[str], table: Table) -> tuple[str, ...]:
    """The target's columns: "a" or "a,b" (unless a column has a comma in its name), or several names. Raises DataError
    for a column that is not there, or is named twice."""
    if isinstance(target, str):
        whole = target in table.columns or "," not in target
        names = (target,) if whole else tuple(name.strip() for name in target.split(","))
    else:
        names = tuple(target)
    if not names or not all(names):
        raise DataError(
            f'{table.name}: target {target!r} names no column; give the name of a column, or several as "a,b"'
        )
    for name in names:
        table[name]
        if names.count(name) > 1:
            raise DataError(f"{table.name}: target {target!r} names column {name!r} twice; name it once")
    return names


def cells_of(table: Table, columns: Sequence[str], rows: Rows) -> list[Any]:
    """The target's raw cells in these rows; of several columns tuples, None where one is missing."""
    if len(columns) == 1:
        return pick(table[columns[0]], rows)
    parts = [[None if is_blank(cell) else cell for cell in pick(table[name], rows)] for name in columns]
    return list(zip(*parts, strict=True))


def answered(table: Table, columns: Sequence[str]) -> np.ndarray:
    """[N] bool: the rows that have the target, or at least one of several."""
    blank = np.ones(len(table), bool)
    for name in columns:
        blank &= np.concatenate([np.zeros(0, bool), *map(blanks, blocks(table[name]))])
    return ~blank


def holds_numbers(column: Sequence[Any]) -> bool:
    """Whether a target's cells are numbers, however they are written, but for empty ones and words such as NA that data
    frames write for those. Among labels such a word may be one of them."""
    kinds: Counter[type] = Counter()
    texts: Counter[str] = Counter()
    for block in blocks(column):
        kinds.update(map(type, block))
        texts.update(cell.strip() for cell in block if isinstance(cell, str))
    words = {text: times for text, times in texts.items() if text and text not in MISSING_MARKERS}
    typed = {kind: times for kind, times in kinds.items() if kind not in (str, type(None))}
    if not (words or typed) or not set(typed) <= {int, float, Decimal}:
        return False
    return numeric_form(words, numbers=sum(typed.values())) is not None


def emptied(table: Table, columns: Sequence[str]) -> Table:
    """The table, where in these columns words such as NA are empty cells."""

    def without_words(column: Sequence[Any]) -> LazyColumn:
        def make(begin: int, end: int) -> list[Any]:
            return [None if isinstance(c, str) and c.strip() in MISSING_MARKERS else c for c in column[begin:end]]

        return LazyColumn(len(column), make, block=column.block if isinstance(column, LazyColumn) else BLOCK)

    some = {name: without_words(table[name]) for name in columns if name in table.columns}
    return replace(table, columns={**table.columns, **some}) if some else table


def weights_of(table: Table, column: str) -> np.ndarray:
    """[N] float64: how much each row counts. Raises DataError, naming the row, for what is no weight."""
    out = np.empty(len(table))
    for row, cell in enumerate(table[column]):
        try:
            out[row] = np.nan if isinstance(cell, bool) or is_blank(cell) else float(cell)
        except (TypeError, ValueError):
            out[row] = np.nan
        if not (np.isfinite(out[row]) and out[row] >= 0):
            what = "is empty" if is_blank(cell) else f"holds {str(cell)[:40]!r}"
            raise DataError(
                f"{table.name}: weight column {column!r}, row {table.line(row)} {what}: a weight is a number of at "
                "least 0. Correct it (0 takes the row out)."
            )
    if len(out) and not out.sum() > 0:
        raise DataError(f"{table.name}: weight column {column!r}: every row has weight 0, so no row is left")
    return out
