"""Raw target cells as labels and numbers, and how errors name them. Knows no task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from consilience.core.number_forms import Forms, NumberForm, numeric_form

Line = Callable[[int], int]
"""Place of a cell in what was given, from 0 -> what a user calls its row."""


def from_one(place: int) -> int:
    return place + 1


def clean(cell: Any) -> Any:
    """A label as it is compared: trimmed text, whole numbers that are whole, dates as they are written."""
    if isinstance(cell, np.generic):  # in columns of anything, data frames hold those too
        cell = cell.item()
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)  # a column of whole numbers with gaps arrives as floats
    if isinstance(cell, Decimal):
        return int(cell) if cell.is_finite() and cell == cell.to_integral_value() else float(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(cell, date):
        return cell.isoformat()
    return cell


def label_number(cell: Any) -> float | None:
    """A label as a number, where it is one."""
    if isinstance(cell, bool):
        return None
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def number_forms(cells: Iterable[Any]) -> Forms | None:
    """How the cells of a target are written as numbers; None where they are labels."""
    texts: Counter[str] = Counter()
    numbers = 0
    for cell in cells:
        if isinstance(cell, str):
            texts[cell.strip()] += 1
        elif label_number(cell) is None:
            return None
        else:
            numbers += 1
    return numeric_form(texts, numbers=numbers) if texts else Forms(form=NumberForm())


def short(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else text[:57] + "..."


def listed(names: Sequence[Any], *, most: int = 10) -> str:
    return ", ".join(map(str, names[:most])) + (" …" if len(names) > most else "")


def rare(names: Sequence[str], counts: np.ndarray) -> list[str]:
    """Remarks on the labels that have one training row, or none: they cannot be learned."""
    said = []
    for number, text in ((0, "no training row, so never learned"), (1, "one training row each, too few to learn from")):
        those = [repr(name) for name, count in zip(names, counts, strict=False) if count == number]
        if those:
            shown = ", ".join(those[:5]) + (f" and {len(those) - 5} more" if len(those) > 5 else "")
            said.append(f"{shown}: {text}")
    return said
