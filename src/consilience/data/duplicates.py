"""Rows of one side that the other side has too: whole rows, texts, contents, and near copies.

Such rows were seen in training, so what is measured on them flatters. Only what cannot be coincidence is told of: that
two rows agree on "yes" and 3 says nothing. Knows raw cells, hashes and vectors; knows no modality.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.modalities.base import is_blank

LONG = 24
"""Characters from which a text is hardly written twice by chance (a Chinese one counts three for each)."""
OFTEN = 3
"""A text that more training rows than this share is a phrase of its kind (a standard question), not a copy."""
CHANCE = 0.01
"""Of whole rows: with fewer agreements than this expected by chance among all rows, agreement is no coincidence."""
EXAMPLES = 5
_BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Rows of the held-out side with a twin in training."""

    kind: str
    """"rows", "texts", "contents" or "near copies"."""
    what: str
    """The column or input; "" for whole rows."""
    rows: np.ndarray
    """Places among the held-out rows, sorted."""
    twins: np.ndarray
    """For each of them, the place of one such training row."""


def normal(cell: Any) -> str | None:
    """A cell as text in which case, spaces, accents' encoding and punctuation make no difference; None where blank."""
    if is_blank(cell):
        return None
    if isinstance(cell, bytes):
        return cell.hex()
    plain = unicodedata.normalize("NFKC", str(cell)).casefold()
    words = re.sub(r"[^\w]+", " ", plain).strip()
    return words or plain.strip()


def rows(train: Mapping[str, Sequence[Any]], held: Mapping[str, Sequence[Any]]) -> Shared | None:
    """Held-out rows all of whose cells are those of a training row, where that is no coincidence: were columns
    independent, hardly any row would agree with another. The target is no column here."""
    names = [name for name in train if name in held]
    if not names:
        return None
    keys: dict[str, tuple[list[str | None], list[str | None]]] = {}
    before, after = [0] * len(train[names[0]]), [0] * len(held[names[0]])
    for name in names:
        keys[name] = [normal(c) for c in train[name]], [normal(c) for c in held[name]]
        number: dict[tuple[int, str | None], int] = {}  # of each way in which the columns so far may be filled
        before = [number.setdefault(key, len(number)) for key in zip(before, keys[name][0], strict=True)]
        after = [number.get(key, -1) for key in zip(after, keys[name][1], strict=True)]
        if max(after, default=-1) < 0:  # of a wide table this is clear after a few columns
            return None
    first: dict[tuple[str | None, ...], int] = {}
    for place, key in enumerate(zip(*(keys[n][0] for n in names), strict=True)):
        first.setdefault(key, place)
    counts = {name: Counter(keys[name][0]) for name in names}
    size = max(1, len(next(iter(train.values()))))
    asked = len(next(iter(held.values())))
    again = {n: sum(c * (c - 1) for c in counts[n].values()) / size**2 for n in names}
    found, twins = [], []
    for place, key in enumerate(zip(*(keys[n][1] for n in names), strict=True)):
        if key not in first or all(cell is None for cell in key):
            continue
        chances = [_chance(counts[n][cell], again[n], size) for n, cell in zip(names, key, strict=True)]
        sure = any(
            c is not None and _length(c) >= LONG and counts[n][c] <= OFTEN for n, c in zip(names, key, strict=True)
        )
        if sure or size * asked * float(np.prod(chances)) < CHANCE:
            found.append(place)
            twins.append(first[key])
    return _shared("rows", "", found, twins)


def texts(column: str, train: Sequence[Any], held: Sequence[Any]) -> Shared | None:
    """Held-out rows whose cell is a long text that a training row has, but for case, spaces and punctuation."""
    if all(map(_is_short, train)):  # most columns are
        return None
    first: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for place, cell in enumerate(train):
        if (key := normal(cell)) is not None and _length(key) >= LONG:
            first.setdefault(key, place)
            counts[key] += 1
    pairs = [
        (place, first[key]) for place, c in enumerate(held) if (key := normal(c)) in first and counts[key] <= OFTEN
    ]
    return _shared("texts", column, [p for p, _ in pairs], [t for _, t in pairs])


def contents(name: str, train: np.ndarray, held: np.ndarray) -> Shared | None:
    """Held-out rows that hold the same media content as a training row. Both: `Cells.groups` of the rows."""
    known, first = np.unique(train, return_index=True)
    place = np.minimum(np.searchsorted(known, held), max(0, len(known) - 1))
    both = (held >= 0) & (known[place] == held) if len(known) else np.zeros(len(held), bool)
    return _shared("contents", name, np.flatnonzero(both), first[place[both]])


def near(
    name: str,
    train: tuple[np.ndarray, np.ndarray],
    held: tuple[np.ndarray, np.ndarray],
    *,
    within: float,
) -> Shared | None:
    """Held-out rows whose likeness is that of a training row within a root mean square of `within`, but not equal
    content. Each side: likeness of each distinct cell [U, D] (NaN: has none), and the cell of each row [N]."""
    (a, of_train), (b, of_held) = train, held
    known = np.flatnonzero(np.isfinite(a).all(1) & (np.bincount(of_train, minlength=len(a)) > 0))
    asked = np.flatnonzero(np.isfinite(b).all(1) & (np.bincount(of_held, minlength=len(b)) > 0))
    if not len(known) or not len(asked):
        return None
    squares, twin = (a[known] ** 2).sum(1), np.full(len(b), -1, np.int64)
    for start in range(0, len(asked), _BLOCK):
        part = b[asked[start : start + _BLOCK]]
        apart = np.maximum(squares[None] - 2 * part @ a[known].T + (part**2).sum(1)[:, None], 0) / a.shape[1]
        best = apart.argmin(1)
        close = np.sqrt(apart[np.arange(len(part)), best]) <= within
        twin[asked[start : start + _BLOCK][close]] = known[best[close]]
    row_of = np.full(len(a), -1, np.int64)
    row_of[of_train[::-1]] = np.arange(len(of_train))[::-1]
    found = np.flatnonzero(twin[of_held] >= 0)
    return _shared("near copies", name, found, row_of[twin[of_held[found]]])


def _chance(count: int, again: float, size: int) -> float:
    """How likely a row has a value that `count` of `size` rows have. Of a value seen once little is known but how often
    values of its column come again (`again`): measured numbers hardly ever do."""
    return count / size if count > 1 else min(1 / size, max(again, 1 / size**2))


def _is_short(cell: Any) -> bool:
    """Whether a cell is surely no long text, however it is written."""
    return len(cell) < LONG and cell.isascii() if isinstance(cell, str) else cell is None or isinstance(cell, float)


def _length(text: str) -> int:
    return sum(3 if ord(c) >= 0x2E80 else 1 for c in text)


def _shared(
    kind: str, what: str, found: Sequence[int] | np.ndarray, twins: Sequence[int] | np.ndarray
) -> Shared | None:
    if not len(found):
        return None
    return Shared(kind=kind, what=what, rows=np.asarray(found, np.int64), twins=np.asarray(twins, np.int64))
