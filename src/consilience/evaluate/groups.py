"""From a column's raw cells to the groups of rows a score is broken down by. Knows cells; knows no metric.

Numbers (also written as text, as in a CSV) keep their values when there are at most `most` of them and fall into
quarters otherwise; anything else keeps its values, the rarest beyond `most` together as "(other)".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from consilience.modalities.base import is_blank

MISSING, OTHER = "(missing)", "(other)"


def split(cells: Sequence[Any], *, most: int = 20) -> dict[str, np.ndarray]:
    """{label: rows}: every row in exactly one group. Numbers ascend, other values go by their rows; missing is last."""
    missing = np.array([is_blank(cell) for cell in cells], bool)
    rows = np.flatnonzero(~missing)
    given = [cell for cell, absent in zip(cells, missing, strict=True) if not absent]
    numbers = [_number(cell) for cell in given]
    if len(rows) and all(n is not None for n in numbers):
        groups = _by_number(rows, np.array(numbers, np.float64), most)
    else:
        groups = _by_value(rows, [str(cell).strip() for cell in given], most)
    if missing.any():
        # A cell that says "(missing)" in so many words belongs here too.
        groups[MISSING] = np.sort(np.concatenate([groups.pop(MISSING, rows[:0]), np.flatnonzero(missing)]))
    return groups


def _by_number(rows: np.ndarray, values: np.ndarray, most: int) -> dict[str, np.ndarray]:
    distinct = np.unique(values)
    if len(distinct) <= most:
        return {_show(v): rows[values == v] for v in distinct}
    edges = np.unique(np.quantile(values, [0.25, 0.5, 0.75]))
    quarter = np.searchsorted(edges, values)  # a value on an edge belongs below it
    labels = [
        f"≤ {_show(edges[0])}",
        *(f"{_show(a)} to {_show(b)}" for a, b in pairwise(edges)),
        f"> {_show(edges[-1])}",
    ]
    return {label: rows[quarter == q] for q, label in enumerate(labels) if (quarter == q).any()}


def _by_value(rows: np.ndarray, values: list[str], most: int) -> dict[str, np.ndarray]:
    counts = Counter(values)
    ranked = sorted(counts, key=lambda v: (-counts[v], v))
    kept = ranked if len(ranked) <= most else ranked[: most - 1]
    place = {value: n for n, value in enumerate(kept)}
    labels = np.array([place.get(v, len(kept)) for v in values], np.int64)
    groups = {value: rows[labels == n] for n, value in enumerate(kept)}
    if len(kept) < len(ranked):
        groups[OTHER] = np.sort(np.concatenate([groups.pop(OTHER, rows[:0]), rows[labels == len(kept)]]))
    return groups


def _number(cell: Any) -> float | None:
    if isinstance(cell, bool | np.bool_):
        return None
    if not isinstance(cell, str | int | float | np.number):
        return None
    try:
        value = float(cell)
    except (ValueError, OverflowError):
        return None
    return value if np.isfinite(value) else None


def _show(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"
