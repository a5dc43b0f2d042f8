"""What training rows looked like, column by column, and how those of another table differ. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from consilience.modalities.base import Unlike
from consilience.modalities.tabular.transform import CategoryColumn, Column, NumberColumn, Parts, numbers

_SHOWN = 3
_LONGEST = 40
"""Characters of a label that are shown."""


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
        yield _labels(name, "new", new, counts, held, was.other)
        other = [label for label, category in meant.items() if category not in (None, label)]
        yield _labels(name, "otherwise written", other, counts, held, 0.0, meant)
    elif was.low is not None and was.high is not None:
        raw = numbers(parts)
        outside = present & ~((raw >= was.low) & (raw <= was.high))
        shown = (f"{was.low:.6g}", f"{was.high:.6g}")
        yield Unlike(
            column=name, what="outside", rows=int(weights[outside].sum()), of=held, expected=0.0, examples=shown
        )


def _labels(
    name: str,
    what: str,
    labels: list[str],
    counts: Counter[str],
    held: int,
    expected: float,
    meant: dict[str, str | None] | None = None,
) -> Unlike:
    most = sorted(labels, key=lambda label: (-counts[label], label))[:_SHOWN]
    shown = [f"{label[:_LONGEST]!r}" + ("" if meant is None else f" for {meant[label]!r}") for label in most]
    rows = sum(counts[label] for label in labels)
    return Unlike(column=name, what=what, rows=rows, of=held, expected=expected, examples=tuple(shown))  # type: ignore[arg-type]
