"""How a table that is asked about differs from the one a model was trained on, in sentences. Knows no modality: the
processors say what is unusual, and who asked decides where the sentences go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from consilience.core.errors import closest
from consilience.data.cells import Dataset
from consilience.data.table import Table

SHARE, MORE = 0.5, 0.4
"""A column is told of when this share of its rows is unusual, and it is so much more than in training."""
LEAST = 2
"""Rows from which on a share says anything."""
SHOWN = 3


def absent(table: Table, used: Sequence[str], known: Collection[str], *, only_alike: bool = False) -> list[str]:
    """A sentence for each column in `used` (those a model looks at) that the table lacks. `known`: columns that may be
    there for another reason. `only_alike`: those alone for which the table has another column of nearly that name; rows
    that somebody wrote by hand may leave out what is not known."""
    if not len(table):
        return []
    strangers = [column for column in table.columns if column not in known and column not in used]
    found = []
    for column in used:
        if column in table.columns:
            continue
        alike = closest(column, strangers)
        if alike is None and (only_alike or len(table) < LEAST):
            continue
        rows = "all rows" if len(table) > 1 else "the row"
        hint = f"; the table has a column {alike!r}: rename it if that is meant" if alike is not None else ""
        found.append(f"column {column!r}, which the model looks at, is not there: missing on {rows}{hint}")
    return found


def unusual(dataset: Dataset, inputs: Mapping[str, Any], table: Table, *, by_hand: bool = False) -> list[str]:
    """A sentence for each column of which many rows are not as those of training. `inputs`: by name, what has the
    `processor`; others than those of the dataset are not looked at. `by_hand`: of what is not there nothing is said."""
    if dataset.rows < LEAST:
        return []
    found = []
    for name, cells in dataset.inputs.items():
        values = [cells.values[u] for u in range(len(cells.values))] if _says_anything(inputs[name]) else None
        if values is None:
            continue
        held = np.bincount(cells.index, minlength=len(values)).astype(np.float64)
        for one in inputs[name].processor.unusual(values):
            if one.column not in table.columns or (by_hand and one.lacking):  # told of already; or meant
                continue
            rows, of = held[one.cells].sum(), held[one.of].sum()
            if of >= LEAST and rows / of >= SHARE and rows / of >= one.usual + MORE:
                shown = _examples(table, one.column, cells.index, one.cells)
                found.append(f"column {one.column!r}: {rows:,.0f} of {of:,.0f} rows {one.what}{shown}")
    return found


def _says_anything(given: Any) -> bool:
    """Media are not gone through once more for nothing."""
    from consilience.modalities.base import Processor

    return type(given.processor).unusual is not Processor.unusual


def _examples(table: Table, column: str, index: np.ndarray, cells: np.ndarray) -> str:
    rows = np.flatnonzero(cells[index])[:200]
    texts = dict.fromkeys(str(cell)[:40] for cell in (table.columns[column][int(r)] for r in rows) if cell is not None)
    shown = [repr(text) for text in texts if text.strip()][:SHOWN]
    return f" (as {', '.join(shown)})" if shown else ""
