"""What one column tells of a target by itself: simple rules, learned on training rows and asked of held-out rows.

Two things are measured. *Strength* is how much any rule tells, honest ones included: a number above a threshold may
well decide a class. *Power* counts only rules whose form is that of a leak: each class has a value of its own (a copy,
a code), being filled in tells the answer, a number comes in clumps that are the classes, a number is a function of the
target, a text holds the label, rows are numbered in the order of the target. Knows raw cells and an encoded target.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from consilience.modalities.base import is_blank

POWER, CODED = 0.95, 0.98
"""Share of what there is to know that a rule must tell to be suspected; the second of one that has more values than
there are classes, which an honest column may have."""
SURE, SURE_NUMBER = 0.99, 0.999
"""Share from which it does not matter what other columns tell; the second of numbers (squared correlation)."""
FEWEST = 12
"""Held-out rows from which anything is said."""
APART = 4.0
"""Clumps of numbers are this many of their standard deviations apart."""
_BINS, _FEW, _TEXTS, _LONG = 48, 40, 400, 2_000
_WORD = re.compile(r"[A-Za-z0-9_.:#/-]{1,64}")
_NUMBER = re.compile(r"([^\d.,+-]{0,4})([+-]?\d[\d,]*(?:\.\d*)?(?:[eE][+-]?\d+)?)([^\d.,+-]{0,8})")

Pair = tuple[np.ndarray, np.ndarray]
"""Of training rows, and of held-out rows."""


@dataclass(kw_only=True)
class Told:
    """What one column tells of one target."""

    power: float = 0.0
    """The most that a rule in the form of a leak tells, 0 to 1; 0 below `POWER`."""
    sure: bool = False
    """Whether that is a leak whatever other columns tell."""
    ordered: bool = False
    """It numbers rows that come in the order of the target."""
    strength: float = 0.0
    """The most that any rule tells."""
    classes: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """[K] F1 of each class by rules in the form of a leak."""
    sure_classes: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """[K] the same by those that are a leak whatever other columns tell."""
    any_classes: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """[K] the same by any rule."""

    def found(self, power: float, *, least: float = POWER, sure: float = SURE) -> None:
        if power >= max(least, self.power):
            self.power, self.sure = power, self.sure or power >= sure


def classes(train: Sequence[Any], held: Sequence[Any], target: Pair, *, number: int) -> Told:
    """Of class numbers below `number`."""
    told = Told(classes=np.zeros(number), sure_classes=np.zeros(number), any_classes=np.zeros(number))
    own, goal = (t.astype(np.int64) for t in target)

    def ask(cells: Pair, *, leak: bool, least: float = POWER, sure: float = SURE) -> None:
        guess, (half, rest) = _usual(cells, own, number), _halves(cells, own, number)
        power, f1 = _right(guess, goal, own), _f1(guess, goal, number)
        if sure <= 1:  # of many values half of the rows do not know all
            power, f1 = min(power, _right(half, rest, own) + 0.03), np.minimum(f1, _f1(half, rest, number))
        told.strength, told.any_classes = max(told.strength, power), np.maximum(told.any_classes, f1)
        if leak:
            told.classes = np.maximum(told.classes, f1)
            if sure <= 1:
                told.sure_classes = np.maximum(told.sure_classes, f1)
            told.found(power, least=least, sure=sure)

    keys = _keys(train), _keys(held)
    codes = _codes(*keys)
    numbers = as_numbers(train), as_numbers(held)
    real = numbers[0] is not None and numbers[1] is not None
    few = _common(codes[0]) <= number + 1
    honest = real and not few and _runs(numbers[0], own, number)  # type: ignore[arg-type]
    # Of more values than classes, those of a number are a code only if classes are no ranges of it.
    ask(codes, leak=not honest, least=POWER if few else CODED, sure=SURE if few else np.inf)
    for state in _filled(keys, codes, numbers if real else None):
        ask(state, leak=True)
    if (filled := (codes[0] > 0, codes[1] > 0)) and not filled[0].all() and few:
        told.found(_where_filled(codes, filled, own, goal, number))
    if real:
        a, b = numbers
        assert a is not None
        assert b is not None
        ask(_ranges(a, b), leak=False)
        for clumps in {number, 2}:
            if (cut := _clumps(a, b, clumps)) is not None:
                ask(cut, leak=True)
        if not told.power and _is_id(np.concatenate([a, b])):
            told.found(_right(own[_nearest(a, b)], goal, own), sure=POWER)
            told.ordered = told.power > 0
    else:
        letters = tuple([re.sub(r"[\d\W_]+", "", key) for key in side] for side in keys)
        stems = _codes(letters[0], letters[1])
        ask(stems, leak=_common(stems[0]) <= number + 1)
    return told


def amounts(train: Sequence[Any], held: Sequence[Any], target: Pair) -> Told:
    """Of numbers."""
    told, (own, goal) = Told(), target
    codes = _codes(_keys(train), _keys(held))
    a, b = as_numbers(train), as_numbers(held)
    told.strength = _explained(_means(codes, own), goal, own)
    if a is None or b is None:
        if _common(codes[0]) >= 3:  # bands of the target have an order
            mean = _means((codes[0], np.arange(codes[0].max() + 1)), own)
            x = np.concatenate([mean[codes[0]], mean[np.minimum(codes[1], len(mean) - 1)]])
            if _steps(x, target):
                power = _correlation(_ranks(x), _ranks(np.concatenate(target))) ** 2
                told.found(power, least=0.8, sure=0.8)
        return told
    told.strength = max(told.strength, _explained(_means(_ranges(a, b), own), goal, own), _line(a, b, own, goal))
    known = np.isfinite(a), np.isfinite(b)
    if min(known[0].sum(), known[1].sum()) < FEWEST:
        return told
    here = a[known[0]], b[known[1]]
    truth = own[known[0]], goal[known[1]]
    x, y = np.concatenate(here), np.concatenate(truth)
    power = max(_line(*here, *truth), _correlation(_ranks(x), _ranks(y)) ** 2)
    told.found(power, least=SURE, sure=SURE_NUMBER)
    if _common(_codes(list(map(str, here[0])), [])[0]) != 2 and _steps(x, truth):
        told.found(power, least=0.8, sure=0.8)
    told.ordered = told.power > 0 and _is_id(x)
    return told


def labelled(train: Sequence[Any], held: Sequence[Any], target: Pair, *, names: Sequence[str]) -> float:
    """How much of the classes a text tells by holding the label itself, 0 to 1."""
    labels = [_spaced(name) for name in names]
    if not 2 <= len(labels) <= _FEW or any(len(label.strip()) < 2 for label in labels):
        return 0.0
    order = sorted(range(len(labels)), key=lambda k: -len(labels[k]))

    def guess(cells: Sequence[Any]) -> np.ndarray:
        out = np.full(len(cells), -1)
        for place, cell in enumerate(cells):
            text = "" if is_blank(cell) else _spaced(str(cell)[:_LONG])
            held = [k for k in order if labels[k] in text]
            if held and all(labels[k] in labels[held[0]] for k in held):  # "not returned" holds "returned"
                out[place] = held[0]
        return out

    sides = [(cells[:_TEXTS], t[:_TEXTS].astype(np.int64)) for cells, t in zip((train, held), target, strict=True)]
    own = target[0].astype(np.int64)
    return min(_right(guess(cells), t, own) for cells, t in sides)


def presence(train: Sequence[Any], held: Sequence[Any], target: Pair, *, number: int) -> Told:
    """What is told of classes by whether a cell is filled in, whatever it holds."""
    there = tuple([None if is_blank(c) else "x" for c in cells] for cells in (train, held))
    return classes(there[0], there[1], target, number=number)


def numbered(train: Sequence[Any], held: Sequence[Any]) -> bool:
    """Whether a column numbers the rows: whole numbers, every one once, with hardly a gap over both sides."""
    numbers = [as_numbers(side) for side in (train, held)]
    if any(n is None for n in numbers):
        return False
    every = np.concatenate([n for n in numbers if n is not None])
    return _once(every) and len(every) >= 50 and float(np.ptp(every)) <= 1.5 * len(every)


def as_numbers(cells: Sequence[Any]) -> np.ndarray | None:
    """[N] float64, NaN where blank; None when a cell is no number. A sign or a unit beside it, the same in all cells,
    is left out."""
    out = np.full(len(cells), np.nan)
    beside: set[tuple[str, str]] = set()
    for place, cell in enumerate(cells):
        if is_blank(cell):
            continue
        if isinstance(cell, str):
            try:
                out[place] = float(cell)
            except ValueError:
                found = _NUMBER.fullmatch(cell.strip())
                beside |= set() if found is None else {(found[1], found[3])}
                if found is None or len(beside) > 1:
                    return None
                out[place] = float(found[2].replace(",", ""))
        elif isinstance(cell, int | float | np.number):
            try:
                out[place] = float(cell)
            except OverflowError:
                return None
        else:
            return None
    return None if np.isinf(out).any() else out


def words(cells: Sequence[Any]) -> bool:
    """Whether texts are single words, as codes are."""
    return all(_WORD.fullmatch(str(cell)) for cell in cells if not is_blank(cell))


def whole(target: np.ndarray) -> bool:
    """Class numbers rather than amounts: few whole numbers from 0 on."""
    if not np.isfinite(target).all() or (target != np.round(target)).any() or target.min() < 0:
        return False
    return len(np.unique(target)) <= max(_FEW, len(target) // 20)


def _filled(
    keys: tuple[list[str], list[str]], codes: Pair, numbers: tuple[np.ndarray | None, np.ndarray | None] | None
) -> Iterator[Pair]:
    """Whether a cell is filled in: blank or not, and the most common value or another."""
    blank = codes[0] == 0
    if blank.any() and not blank.all():
        yield (codes[0] > 0).astype(np.int64), (codes[1] > 0).astype(np.int64)
    counts = np.bincount(codes[0])
    most = int(counts.argmax())
    rest = counts[(counts > 0) & (np.arange(len(counts)) != most)]
    if not most or len(rest) < 2:
        return
    # Beside 0, amounts of all kinds are "filled in"; 1, 2, 3 are more of the same.
    if numbers is None or len(rest) > 0.5 * rest.sum():
        yield (codes[0] == most).astype(np.int64), (codes[1] == most).astype(np.int64)


def _where_filled(codes: Pair, filled: Pair, own: np.ndarray, goal: np.ndarray, number: int) -> float:
    """The power of values among the rows that have one, of two classes at least."""
    here, there = filled
    if (
        there.sum() < FEWEST
        or len(np.unique(own[here])) < 2
        or np.unique(goal[there], return_counts=True)[1].max() > (there.sum() - 3)
    ):
        return 0.0
    guess = _usual((codes[0][here], codes[1][there]), own[here], number)
    half, rest = _halves((codes[0][here], codes[1]), own[here], number)
    return min(_right(guess, goal[there], own[here]), _right(half, rest, own[here]) + 0.03)


def _keys(cells: Sequence[Any]) -> list[str]:
    return ["" if is_blank(c) else str(c).strip().casefold() for c in cells]


def _codes(train: Sequence[str], held: Sequence[str]) -> Pair:
    """Numbers of values: 0 where blank, and those that training does not have behind all that it has."""
    number = {"": 0}
    return tuple(  # type: ignore[return-value]
        np.fromiter((number.setdefault(key, len(number)) for key in side), np.int64, len(side))
        for side in (train, held)
    )


def _common(codes: np.ndarray) -> int:
    """How many values are there more than once."""
    return int((np.bincount(codes) > 1).sum()) if len(codes) else 0


def _usual(codes: Pair, own: np.ndarray, number: int) -> np.ndarray:
    """Each value's usual class; -1, which is always wrong, for a value that training has not."""
    values = max(int(side.max(initial=0)) for side in codes) + 1
    counts = np.bincount(codes[0] * number + own, minlength=values * number).reshape(values, number)
    usual = np.where(counts.any(1), counts.argmax(1), -1)
    return np.asarray(usual[codes[1]])


def _halves(codes: Pair, own: np.ndarray, number: int) -> Pair:
    """The same among training rows, of which one half is learned from, the other asked; and the answers of that."""
    odd = np.arange(len(own)) % 2 == 1
    return _usual((codes[0][~odd], codes[0][odd]), own[~odd], number), own[odd]


def _nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Places of the training numbers next to the others."""
    order = np.argsort(a)
    middle = (a[order][1:] + a[order][:-1]) / 2
    return np.asarray(order[np.searchsorted(middle, b)])


def _means(codes: Pair, own: np.ndarray) -> np.ndarray:
    """Each value's mean; that of all rows for a value that training has not."""
    values = max(int(side.max(initial=0)) for side in codes) + 1
    count, total = (np.bincount(codes[0], w, minlength=values) for w in (None, own))
    mean = np.where(count > 0, total / np.maximum(count, 1), own.mean())
    return np.asarray(mean[codes[1]])


def _ranges(a: np.ndarray, b: np.ndarray) -> Pair:
    """Numbers in ranges that hold about equally many training rows; missing ones are a range of their own."""
    known = a[np.isfinite(a)]
    bins = min(_BINS, max(2, len(known) // 10))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.zeros(0)
    return _cut(a, b, edges)


def _cut(a: np.ndarray, b: np.ndarray, edges: np.ndarray) -> Pair:
    return tuple(  # type: ignore[return-value]
        np.where(np.isfinite(x), 1 + np.searchsorted(edges, np.nan_to_num(x), side="right"), 0) for x in (a, b)
    )


def _clumps(a: np.ndarray, b: np.ndarray, number: int) -> Pair | None:
    """Numbers by the clump they are in, where they come in so many clumps far apart."""
    known = np.sort(a[np.isfinite(a)])
    gaps = np.diff(known)
    if len(known) < FEWEST or (gaps > 0).sum() < number:
        return None
    cuts = np.sort(np.argsort(-gaps, kind="stable")[: number - 1])
    spread = max(float(clump.std()) for clump in np.split(known, cuts + 1))
    if not gaps[cuts].min() >= APART * spread:
        return None
    return _cut(a, b, (known[cuts] + known[cuts + 1]) / 2)


def _runs(numbers: np.ndarray, own: np.ndarray, number: int) -> bool:
    """Whether classes are ranges of the numbers, as an honest threshold makes them, rather than a code."""
    known = np.isfinite(numbers)
    values, of_row = np.unique(numbers[known], return_inverse=True)
    counts = np.bincount(of_row.reshape(-1) * number + own[known], minlength=len(values) * number)
    usual = counts.reshape(len(values), number).argmax(1)
    return int((np.diff(usual) != 0).sum()) + 1 <= max(number, len(values) / 4)


def _line(a: np.ndarray, b: np.ndarray, own: np.ndarray, goal: np.ndarray) -> float:
    """Numbers whose neighbours' targets are joined by lines: finds any smooth function."""
    known = np.isfinite(a)
    if not known.any():
        return 0.0
    at, place = np.unique(a[known], return_inverse=True)
    mean = np.bincount(place.reshape(-1), own[known]) / np.bincount(place.reshape(-1))
    guess = np.where(np.isfinite(b), np.interp(np.nan_to_num(b), at, mean), own.mean())
    return _explained(guess, goal, own)


def _steps(x: np.ndarray, target: Pair) -> bool:
    """Whether the target goes up, or down, from each number to the next, on nearly all rows."""
    y = np.concatenate(target)
    order = np.lexsort((y, x))
    _, start = np.unique(x[order], return_index=True)
    if len(start) < 3:
        return False

    def breaks(y: np.ndarray) -> float:
        top = np.maximum.accumulate(np.maximum.reduceat(y, start))  # of this number and all before
        before = np.concatenate([[-np.inf], top[:-1]])
        return float(np.mean(y < np.repeat(before, np.diff(np.append(start, len(y))))))

    return min(breaks(y[order]), breaks(-y[order])) <= 0.01


def _ranks(x: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place.reshape(-1)])


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > 0 else 0.0


def _right(guess: np.ndarray, goal: np.ndarray, own: np.ndarray) -> float:
    """The share of what the most common class gets wrong that the guesses get right; 0 at worst."""
    base = float((goal != np.bincount(own).argmax()).mean()) if len(goal) else 0.0
    return max(0.0, 1 - float((guess != goal).mean()) / base) if base > 0 else 0.0


def _explained(guess: np.ndarray, goal: np.ndarray, own: np.ndarray) -> float:
    base = float(((goal - own.mean()) ** 2).mean())
    return max(0.0, 1 - float(((guess - goal) ** 2).mean()) / base) if base > 0 else 0.0


def _f1(guess: np.ndarray, goal: np.ndarray, number: int) -> np.ndarray:
    hits, guesses, support = (np.bincount(x, minlength=number) for x in (goal[guess == goal], guess[guess >= 0], goal))
    return np.asarray(2 * hits / np.maximum(guesses + support, 1))


def _once(numbers: np.ndarray) -> bool:
    return bool(np.isfinite(numbers).all() and (numbers == np.round(numbers)).all()) and len(np.unique(numbers)) == len(
        numbers
    )


def _is_id(numbers: np.ndarray) -> bool:
    """Whole numbers, every one once, although by chance some would have come twice in so small a range."""
    return len(numbers) >= 50 and _once(numbers) and len(numbers) ** 2 >= 10 * (float(np.ptp(numbers)) + 1)


def _spaced(text: str) -> str:
    """Words with a space on each side; scripts that have no spaces as they are."""
    plain = re.sub(r"[\W_]+", " ", text.casefold()).strip()
    return f" {plain} " if plain.isascii() else plain
