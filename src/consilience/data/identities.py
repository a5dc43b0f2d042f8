"""Pairs of columns that together are the target: a sum, a difference, a product, a ratio; or a label in two parts.

Only what is the target exactly is told of. That a class depends on two columns at once ("large, unless it is red") is
what there is to learn, and such a rule is found by no formula here. Knows raw cells and a target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from consilience.data.leak_rules import FEWEST, as_numbers
from consilience.modalities.base import is_blank

SHARE, CLOSE = 0.97, 2e-3
"""Share of the rows on which the pair is the target, and how near, in standard deviations of it."""
_ROWS, _COLUMNS = 200, 60
"""As many rows and number columns are looked at; more would say the same, or cost too much."""
_BETWEEN = ("", " ", "-", "_", "/", ".", ":", "|")
_FORMULAS: tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], ...] = (
    np.add,
    np.subtract,
    lambda a, b: b - a,
    np.multiply,
    np.divide,
    lambda a, b: b / a,
)


def numbers(columns: Mapping[str, Sequence[Any]], target: np.ndarray) -> Iterator[tuple[str, str]]:
    """Pairs of number columns that a formula makes the target."""
    rows = _some(np.isfinite(target))
    y = target[rows]
    if len(rows) < FEWEST or not y.std() > 0:
        return
    found = {name: as_numbers([cells[r] for r in rows]) for name, cells in columns.items()}
    real = {name: x for name, x in found.items() if x is not None and np.isfinite(x).sum() >= FEWEST and _varies(x)}
    near = CLOSE * float(y.std())
    for one, two in combinations(list(real)[:_COLUMNS], 2):
        known = np.isfinite(real[one]) & np.isfinite(real[two])
        if known.sum() < max(FEWEST, 0.5 * len(rows)):
            continue
        a, b, goal = real[one][known], real[two][known], y[known]
        with np.errstate(all="ignore"):
            if any(np.mean(np.abs(formula(a, b) - goal) <= near) >= SHARE for formula in _FORMULAS):
                yield one, two


def labels(columns: Mapping[str, Sequence[Any]], target: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of columns of which one is how the label begins and the other how it goes on."""
    rows = _some(np.ones(len(target), bool))
    goal = [str(target[r]).strip().casefold() for r in rows]
    if len(rows) < FEWEST:
        return
    text = {
        name: ["" if is_blank(cells[r]) else str(cells[r]).strip().casefold() for r in rows]
        for name, cells in columns.items()
    }
    least = SHARE * len(rows)
    text = {name: cells for name, cells in text.items() if len(set(cells)) > 1}
    first = [
        n for n, c in text.items() if sum(x != "" and g.startswith(x) for x, g in zip(c, goal, strict=True)) >= least
    ]
    last = [n for n, c in text.items() if sum(x != "" and g.endswith(x) for x, g in zip(c, goal, strict=True)) >= least]
    for one in first:
        for two in last:
            both = list(zip(text[one], text[two], goal, strict=True))
            if one != two and any(sum(a + sign + b == g for a, b, g in both) >= least for sign in _BETWEEN):
                yield one, two


def _some(there: np.ndarray) -> np.ndarray:
    """Rows evenly from all that are there."""
    rows = np.flatnonzero(there)
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), _ROWS)).astype(np.int64)] if len(rows) else rows


def _varies(numbers: np.ndarray) -> bool:
    return bool(np.nanstd(numbers) > 0)
