"""What training rows looked like, column by column, and how those of another table differ. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from consilience.core.alike import nearest
from consilience.modalities.base import Unlike
from consilience.modalities.tabular.transform import CategoryColumn, Column, NumberColumn, Parts, numbers

_SHOWN = 3
_LONGEST = 40
"""Characters of a label that are shown."""
_SLIP = 0.75
"""Likeness of two labels, 0 to 1, from which on one may be a slip of the other."""
_COMPARED = 1000
"""Most frequent categories among which the nearest is looked for."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Shares of the training rows that have any value."""

    missing: float
    other: float = 0.0
    """Of those with a category: one that was not kept."""
    low: float | None = None
    high: float | None = None
    """The range of its numbers; None: a column without numbers, or of one number only."""


def seen(column: Column, parts: Parts, weights: np.ndarray) -> Seen:
    total = max(float(weights.sum()), 1.0)
    present = np.array([part is not None for part in parts], bool)
    missing = float(weights[~present].sum()) / total
    if isinstance(column, CategoryColumn):
        held = max(float(weights[present].sum()), 1.0)
        kept = {None, *column.categories}
        other = sum(w for part, w in zip(parts, weights.tolist(), strict=True) if part not in kept)
        return Seen(missing=missing, other=other / held)
    if isinstance(column, NumberColumn):
        held_numbers = numbers(parts)[present & (weights > 0)]
        if len(held_numbers) and held_numbers.min() < held_numbers.max():
            return Seen(missing=missing, low=float(held_numbers.min()), high=float(held_numbers.max()))
    return Seen(missing=missing)


def unlike(column: Column, was: Seen, parts: Parts, weights: np.ndarray) -> Iterator[Unlike]:
    """`weights` [U]: rows that hold each cell."""
    present = np.array([part is not None for part in parts], bool)
    rows, held = int(weights.sum()), int(weights[present].sum())
    name = column.name
    yield Unlike(column=name, what="missing", rows=rows - held, of=rows, expected=was.missing)
    if isinstance(column, CategoryColumn):
        counts: Counter[str] = Counter()
        for part, weight in zip(parts, weights.tolist(), strict=True):
            if part is not None:
                counts[part] += int(weight)
        meant = {label: column.meant(label) for label in counts}
        new = [label for label, category in meant.items() if category is None]
        yield _labels(name, "new", new, counts, held, was.other, lambda label: shown(label, column.categories))
        other = [label for label, category in meant.items() if category not in (None, label)]
        yield _labels(
            name, "otherwise written", other, counts, held, 0.0, lambda label: f"{_short(label)} for {meant[label]!r}"
        )
    elif _all_outside(was, parts):
        yield _outside(name, was, held)


def in_request(column: Column, was: Seen, parts: Parts, index: np.ndarray) -> Iterator[Unlike]:
    """What is worth a word in a request of few rows: every new label by itself, and numbers that are all outside."""
    if isinstance(column, CategoryColumn):
        new: dict[str, list[int]] = {}
        for place, part in enumerate(parts):
            if part is not None and column.meant(part) is None:
                new.setdefault(part, []).append(place)
        for label, places in new.items():
            yield Unlike(
                column=column.name,
                what="new",
                rows=int(np.isin(index, places).sum()),
                of=_held(parts, index),
                expected=was.other,
                examples=(shown(label, column.categories),),
                values=tuple(places),
            )
    elif _all_outside(was, parts):
        yield _outside(column.name, was, _held(parts, index))


def _held(parts: Parts, index: np.ndarray) -> int:
    return int(np.array([part is not None for part in parts], bool)[index].sum())


def _all_outside(was: Seen, parts: Parts) -> bool:
    """Whether there are numbers, and none is in the range of training."""
    low, high = was.low, was.high
    if low is None or high is None or any(part is not None and low <= part <= high for part in parts):
        return False
    return any(part is not None for part in parts)


def _outside(name: str, was: Seen, held: int) -> Unlike:
    limits = (f"{was.low:.6g}", f"{was.high:.6g}")
    return Unlike(column=name, what="outside", rows=held, of=held, expected=0.0, examples=limits)


def _short(label: str) -> str:
    return repr(label[:_LONGEST])


def shown(label: str, known: Sequence[str]) -> str:
    """A new label as users see it, with the known one that it may be a slip of. Codes have none (124 is no slip of
    123), nor have words that begin otherwise ("inactive" is no slip of "active")."""
    text = _short(label)
    if len(label) > _LONGEST or any(c.isdigit() for c in label):
        return text
    alike = [other for other in known[:_COMPARED] if other[:1].casefold() == label[:1].casefold()]
    near = nearest(label, alike, close=_SLIP)
    return text if near is None else f"{text} (nearest known: {near!r})"


def _labels(
    name: str,
    what: str,
    labels: list[str],
    counts: Counter[str],
    held: int,
    expected: float,
    show: Callable[[str], str],
) -> Unlike:
    most = sorted(labels, key=lambda label: (-counts[label], label))[:_SHOWN]
    rows = sum(counts[label] for label in labels)
    return Unlike(column=name, what=what, rows=rows, of=held, expected=expected, examples=tuple(map(show, most)))  # type: ignore[arg-type]
