"""Raw target cells as labels and numbers, and how errors name them. Knows no task."""

from __future__ import annotations

import re
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


def written(label: Any) -> str:
    """A label as all formats of tables agree to write it: 1, 1.0 and "1.0" are "1", True and "TRUE" are "true"."""
    text = str(label)
    if _WHOLE.fullmatch(text):
        return str(int(text.partition(".")[0]))
    return text.lower() if text.lower() in ("true", "false") else text


_FLAGS = {"true": "1", "false": "0", "1": "true", "0": "false"}
_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,300})\.0+|\+(?:0|[1-9][0-9]{0,300})|-0")


class Labels(Sequence[Any]):
    """Distinct labels, numbered from 0, and found also where another format of table writes them in another way (a CSV
    knows no numbers), if that leaves no doubt."""

    def __init__(self, labels: Iterable[Any]) -> None:
        self._labels = tuple(labels)
        self._number = {(type(label), label): k for k, label in enumerate(self._labels)}
        texts = [written(label) for label in self._labels]
        times = Counter(texts)
        self._written = {text: k for k, text in enumerate(texts) if times[text] == 1}

    @classmethod
    def of(cls, cells: Iterable[Any]) -> Labels:
        """Those of some cells, in order. Of texts that are one whole number in two ways, "1" and "1.0", the shortest
        stands for all."""
        distinct: dict[Any, Any] = {}
        for label in dict.fromkeys((type(cell), cell) for cell in cells):
            kind, value = label
            text = str(int(value)) if kind is bool else written(value)  # flags of one column may be written either way
            whole = kind in (bool, int) or (kind is str and text.lstrip("-").isdecimal())
            key = (str if kind is str else int, text) if whole else label
            distinct[key] = min(distinct.get(key, value), value, key=lambda one: (len(str(one)), str(one)))
        return cls(sorted(distinct.values(), key=lambda label: (type(label).__name__, label)))

    def find(self, label: Any) -> int | None:
        """The number of a `clean` label; None where it is none of these."""
        number = self._number.get((type(label), label))
        if number is None:
            number = self._written.get(written(label))
        if number is None and len(self) == 2:  # a flag is true and false, or 1 and 0
            number = self._written.get(_FLAGS.get(written(label), ""))
        return number

    def and_those_of(self, cells: Iterable[Any]) -> Labels:
        """These, and behind them the labels of cells that are none of these, in the order they come."""
        new: dict[tuple[type, str], Any] = {}
        for cell in cells:
            if self.find(cell) is None:
                new.setdefault((type(cell), written(cell)), cell)
        return Labels([*self._labels, *new.values()]) if new else self

    @property
    def names(self) -> tuple[str, ...]:
        """In text; labels that would read alike (1 and "1") with the quotes of those that are text."""
        times = Counter(map(str, self._labels))
        return tuple(repr(one) if isinstance(one, str) and times[one] > 1 else str(one) for one in self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, number: Any) -> Any:
        return self._labels[number]


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
    """A remark on the labels that have at most one row each: nothing can be said of how well they are recognised."""
    once = [name for name, count in zip(names, counts, strict=False) if count <= 1]
    if not once:
        return []
    shown = ", ".join(repr(name) for name in once[:5]) + (f" and {len(once) - 5} more" if len(once) > 5 else "")
    return [f"{shown}: at most one training row each, too few to learn from"]
