"""Columns that know too much: copies and functions of the target, columns that give one class away, row counters, and
groups (a patient, a speaker) whose rows share their answer and lie on both sides of the split.

Each column is asked alone: what simple rule from its cells to the target, learned on training rows, is right on
held-out rows? Only a column that stands out from everything else is told of: where all is easy, nothing is suspicious.
Knows raw cells and an encoded target; knows no modality, no task and no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.modalities.base import is_blank

POWER = 0.95
"""Share of what there is to know about the target that a column must know alone to be suspected."""
STANDS_OUT, EASY = 0.25, 0.9
"""Its remaining error is at most this share of the error of everything else, which knows less than `EASY` of it."""
CLASS = 0.97
"""F1 of a single class from which a column is said to give it away."""
FEWEST = 12
"""Held-out rows (of the class, of the groups) from which anything is said."""
LEAKS = ("target", "class", "input")
"""Kinds of suspects beside which no other input can show what it is worth."""
_BINS, _FEW = 48, 40


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """One column to look at."""

    column: str
    kind: str
    """"target": tells the target; "class": tells one class; "counter": numbers the rows; "group": rows of one group
    share their answer and are on both sides."""
    power: float
    """Share of what there is to know, 0 to 1 (of a class: F1; of a group: share of its rows with its usual answer)."""
    others: float
    """The same of the best of everything else."""
    detail: str = ""
    """The class."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """Raw cells by column and the encoded target [N] or [N, T] of the same rows."""

    columns: Mapping[str, Sequence[Any]]
    target: np.ndarray


def suspects(
    train: Side, held: Side, *, names: Sequence[str], inputs: Mapping[str, str], powers: Mapping[str, float]
) -> list[Suspect]:
    """Columns to look at, worst first.

    names: of classes, where the target is class numbers. inputs: of each column to look at, the input it belongs to.
    powers: of each input, the same share for a model of it alone: what a column is compared with, but for its own.
    """
    if len(held.target) < FEWEST or len(train.target) < FEWEST:
        return []
    found: list[Suspect] = []
    target, goal = _flat(train.target), _flat(held.target)
    alone: dict[str, float] = {}
    classes: dict[str, np.ndarray] = {}
    for column in inputs:
        scores = []
        for t in range(target.shape[1]):
            (cells, own), (held_cells, wanted) = _known(train, column, t), _known(held, column, t)
            if len(own) < FEWEST or len(wanted) < FEWEST:
                continue
            guess, discrete = _guess(cells, held_cells, own)
            scores.append(_power(guess, wanted, own, discrete=discrete))
            if discrete and target.shape[1] == 1:
                classes[column] = _f1(guess, goal[:, 0], max(len(names), int(max(target.max(), goal.max())) + 1))
        alone[column] = max(scores, default=0.0)
    for column, power in alone.items():
        rest = [p for name, p in powers.items() if name != inputs[column]]
        others = max([0.0, *(p for c, p in alone.items() if c != column), *rest])
        if power >= POWER and others < EASY and 1 - power <= STANDS_OUT * (1 - others):
            found.append(Suspect(column=column, kind="target", power=power, others=others))
        elif column in classes and others < EASY:
            found += _gives_away(column, classes, goal[:, 0], names)
    told = {suspect.column for suspect in found}
    found += [
        Suspect(column=column, kind="counter", power=1.0, others=0.0)
        for column in inputs
        if column not in told and _counts(train.columns[column], held.columns[column])
    ]
    return sorted(found, key=lambda s: (-s.power, s.column))


def groups(train: Side, held: Side, *, columns: Sequence[str]) -> list[Suspect]:
    """Columns whose values look like groups that the split should have kept together: many values, several rows each,
    on both sides, and rows of one value nearly always share an answer that the column's other values do not share."""
    found: list[Suspect] = []
    target, goal = _flat(train.target)[:, 0], _flat(held.target)[:, 0]
    if not _whole(target):
        return found
    for column in columns:
        of_train, of_held = [[None if is_blank(c) else str(c) for c in s.columns[column]] for s in (train, held)]
        counts = Counter(c for c in of_train if c is not None)
        shared = [place for place, c in enumerate(of_held) if c is not None and counts[c] >= 2]
        if len(counts) < 20 or len(shared) < max(FEWEST, len(of_held) / 2):
            continue
        if sum(counts.values()) < 2 * len(counts) or len(counts) < 4 * len(np.unique(target)):
            continue
        usual = _most_common(of_train, target)
        right = float(np.mean([usual[of_held[place]] == goal[place] for place in shared]))
        base = float(np.mean(goal == np.bincount(target.astype(np.int64)).argmax()))
        if right >= POWER and 1 - right <= STANDS_OUT * (1 - base):
            found.append(Suspect(column=column, kind="group", power=right, others=base))
    return found


def _gives_away(
    column: str, classes: Mapping[str, np.ndarray], goal: np.ndarray, names: Sequence[str]
) -> list[Suspect]:
    """The classes that this column alone tells from all others, where no other column does."""
    found = []
    for k, f1 in enumerate(classes[column]):
        count = int((goal == k).sum())
        others = max([0.0, *(float(f[k]) for c, f in classes.items() if c != column and k < len(f))])
        if FEWEST <= count < len(goal) and f1 >= CLASS and 1 - f1 <= STANDS_OUT * (1 - others) and others < 0.8:
            detail = names[k] if k < len(names) else str(k)
            found.append(Suspect(column=column, kind="class", power=float(f1), others=others, detail=detail))
    return found


def _guess(train: Sequence[Any], held: Sequence[Any], target: np.ndarray) -> tuple[np.ndarray, bool]:
    """Answers to the held-out rows by the best of a few rules from one column, chosen on training rows; and whether the
    answers are classes."""
    discrete = _whole(target)
    rules = [_by_value]
    if _numbers(train) is not None and _numbers(held) is not None:
        rules = [_by_value, _by_range] if discrete else [_by_value, _by_range, _by_line]
    half = np.arange(len(target)) % 2 == 0  # rows of a side come in no order of their own
    trial = []
    for rule in rules:
        one, two = (
            [c for c, h in zip(train, half, strict=True) if h],
            [c for c, h in zip(train, half, strict=True) if not h],
        )
        guess = rule(one, two, target[half], discrete)
        trial.append(_power(guess, target[~half], target[half], discrete=discrete))
    return rules[int(np.argmax(trial))](train, held, target, discrete), discrete


def _by_value(train: Sequence[Any], held: Sequence[Any], target: np.ndarray, discrete: bool) -> np.ndarray:
    """Each value's usual answer; that of all rows for a value that training has not."""
    keys = ["" if is_blank(c) else str(c).strip() for c in train]
    usual: Mapping[str, float] = _most_common(keys, target) if discrete else _means(keys, target)
    otherwise = _middle(target, discrete)
    return np.array([usual.get("" if is_blank(c) else str(c).strip(), otherwise) for c in held], np.float64)


def _by_range(train: Sequence[Any], held: Sequence[Any], target: np.ndarray, discrete: bool) -> np.ndarray:
    """Numbers in ranges that hold about equally many training rows; missing ones are a range of their own."""
    a, b = _numbers(train), _numbers(held)
    assert a is not None
    assert b is not None
    known = a[np.isfinite(a)]
    bins = min(_BINS, max(2, len(known) // 10))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.zeros(0)
    of_a, of_b = (np.where(np.isfinite(x), np.searchsorted(edges, np.nan_to_num(x), side="right"), -1) for x in (a, b))
    return _by_value(of_a.tolist(), of_b.tolist(), target, discrete)


def _by_line(train: Sequence[Any], held: Sequence[Any], target: np.ndarray, discrete: bool) -> np.ndarray:
    """Numbers whose neighbours' targets are joined by lines: finds any smooth function."""
    a, b = _numbers(train), _numbers(held)
    assert a is not None
    assert b is not None
    known = np.isfinite(a)
    if not known.any():
        return np.full(len(b), _middle(target, discrete))
    at, place = np.unique(a[known], return_inverse=True)
    mean = np.bincount(place, target[known]) / np.bincount(place)
    return np.where(np.isfinite(b), np.interp(np.nan_to_num(b), at, mean), _middle(target, discrete))


def _power(guess: np.ndarray, goal: np.ndarray, target: np.ndarray, *, discrete: bool) -> float:
    """The share of what the best constant gets wrong that the guesses get right; 0 at worst."""
    otherwise = _middle(target, discrete)
    if discrete:
        wrong, base = float((guess != goal).mean()), float((goal != otherwise).mean())
    else:
        wrong, base = float(((guess - goal) ** 2).mean()), float(((goal - otherwise) ** 2).mean())
    return max(0.0, 1 - wrong / base) if base > 0 else 0.0


def _f1(guess: np.ndarray, goal: np.ndarray, classes: int) -> np.ndarray:
    hits, guesses, support = (
        np.bincount(x.astype(np.int64), minlength=classes) for x in (goal[guess == goal], guess, goal)
    )
    return np.asarray(2 * hits / np.maximum(guesses + support, 1))


def _counts(train: Sequence[Any], held: Sequence[Any]) -> bool:
    """Whole numbers, every one once, with hardly a gap over both sides."""
    numbers = [_numbers(side) for side in (train, held)]
    if any(n is None for n in numbers):
        return False
    every = np.concatenate([n for n in numbers if n is not None])
    if not np.isfinite(every).all() or (every != np.round(every)).any() or len(np.unique(every)) < len(every):
        return False
    return len(every) >= 50 and float(every.max() - every.min()) <= 1.5 * len(every)


def _numbers(cells: Sequence[Any]) -> np.ndarray | None:
    """[N] float64, NaN where blank; None when a cell is no number."""
    out = np.full(len(cells), np.nan)
    for place, cell in enumerate(cells):
        if is_blank(cell):
            continue
        if not isinstance(cell, str | int | float | np.number):
            return None
        try:
            out[place] = float(cell)
        except (ValueError, OverflowError):
            return None
    return out


def _known(side: Side, column: str, place: int) -> tuple[Sequence[Any], np.ndarray]:
    """A column's cells and target number `place`, in the rows that have that target."""
    cells, own = side.columns[column], _flat(side.target)[:, place]
    rows = np.flatnonzero(np.isfinite(own))
    return (cells, own) if len(rows) == len(own) else ([cells[r] for r in rows.tolist()], own[rows])


def _flat(target: np.ndarray) -> np.ndarray:
    return target.reshape(len(target), -1).astype(np.float64)


def _whole(target: np.ndarray) -> bool:
    """Class numbers rather than amounts: few whole numbers from 0 on."""
    if not np.isfinite(target).all() or (target != np.round(target)).any() or target.min() < 0:
        return False
    return len(np.unique(target)) <= max(_FEW, len(target) // 20)


def _middle(target: np.ndarray, discrete: bool) -> float:
    return float(np.bincount(target.astype(np.int64)).argmax()) if discrete else float(np.nanmean(target))


def _most_common(keys: Sequence[Any], target: np.ndarray) -> dict[Any, float]:
    counts: dict[Any, Counter[float]] = {}
    for key, t in zip(keys, target.tolist(), strict=True):
        counts.setdefault(key, Counter())[t] += 1
    return {key: min(found, key=lambda t: (-found[t], t)) for key, found in counts.items()}


def _means(keys: Sequence[Any], target: np.ndarray) -> dict[Any, float]:
    number: dict[Any, int] = {}
    place = np.array([number.setdefault(key, len(number)) for key in keys], np.int64)
    return dict(zip(number, (np.bincount(place, target) / np.bincount(place)).tolist(), strict=True))
