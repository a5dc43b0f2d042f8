"""Columns that know too much: copies and functions of the target, columns that give one class away, row counters, and
groups (a patient, a speaker) whose rows share their answer and lie on both sides of the split.

Each column is asked alone (leak_rules.py), and pairs whether they are the target (identities.py). What is surely a leak
is named whatever else there is, so two of them cannot hide each other; of the rest only what stands out from all
columns that are not suspected themselves: where all is easy, nothing is suspicious. Knows raw cells and an encoded
target; knows no modality, no task and no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.data import identities, leak_rules
from consilience.data.leak_rules import FEWEST, POWER, Told
from consilience.modalities.base import is_blank

STANDS_OUT, EASY = 0.25, 0.9
"""Its remaining error is at most this share of the error of everything else, which knows less than `EASY` of it."""
CLASS, OF_CLASS = 0.97, 6
"""F1 of a single class from which a column is said to give it away, and held-out rows of it from which it is."""
LEAKS = ("target", "class", "order", "pair")
"""Kinds of suspects beside which no other input can show what it is worth."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """One column to look at."""

    column: str
    kind: str
    """"target": tells the target; "class": tells one class; "pair": is the target together with another column;
    "order": numbers rows that come in the order of the target; "counter": numbers the rows; "group": rows of one group
    share their answer and are on both sides."""
    power: float
    """Share of what there is to know, 0 to 1 (of a class: F1; of a group: share of its rows with its usual answer)."""
    others: float
    """The same of the best of everything else that is not suspected itself."""
    detail: str = ""
    """The class, or the other column."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """Raw cells by column and the encoded target [N] or [N, T] of the same rows."""

    columns: Mapping[str, Sequence[Any]]
    target: np.ndarray


def suspects(
    train: Side,
    held: Side,
    *,
    names: Sequence[str],
    inputs: Mapping[str, str],
    powers: Mapping[str, float],
    texts: Collection[str] = (),
    media: Collection[str] = (),
) -> list[Suspect]:
    """Columns to look at, worst first.

    names: of classes, where the target is class numbers. inputs: of each column to look at, the input it belongs to.
    powers: of each input, the same share for a model of it alone: what a column is compared with, but for its own.
    texts: of the columns, those of which only is asked whether they hold the label, and are filled in; what else people
    wrote may well tell the answer (columns of single words, such as codes, are no texts). media: those of which only is
    asked whether they are filled in.
    """
    if len(held.target) < FEWEST or len(train.target) < FEWEST:
        return []
    texts = {column for column in texts if not leak_rules.words(train.columns[column])}
    told = {column: _told(train, held, column, names, texts=texts, media=media) for column in inputs}
    suspected = {column for column, each in told.items() if any(t.power for t in each)}
    leaking = {inputs[column] for column in suspected}

    honest = {
        column: max((t.strength for t in told[column]), default=0.0) for column in inputs if column not in suspected
    }
    first, second = [*sorted(honest.values(), reverse=True), 0.0, 0.0][:2]

    def others(column: str) -> float:
        """The most that is told by what is not suspected itself."""
        best = second if honest.get(column) == first else first
        return max([best, *(p for n, p in powers.items() if n != inputs[column] and n not in leaking)])

    found: list[Suspect] = []
    for column in inputs:
        best = max(told[column], key=lambda t: (t.power, t.sure), default=Told())
        rest = others(column)
        if best.power and (best.sure or (rest < EASY and 1 - best.power <= STANDS_OUT * (1 - rest))):
            kind = "order" if best.ordered else "target"
            found.append(Suspect(column=column, kind=kind, power=best.power, others=rest))
    named = {suspect.column for suspect in found}
    if _flat(train.target).shape[1] == 1:
        easy = {column for column in inputs if others(column) >= EASY}
        found += _gives_away({c: each[0] for c, each in told.items() if each and c not in named}, held, names, easy)
        named |= {suspect.column for suspect in found}
        columns = [c for c in inputs if c not in (*named, *texts, *media)]
        found += _together(held, columns, names, max((honest.get(c, 0.0) for c in columns), default=0.0))
        named |= {suspect.column for suspect in found}
    found += [
        Suspect(column=column, kind="counter", power=1.0, others=0.0)
        for column in inputs
        if column not in (*named, *texts, *media) and leak_rules.numbered(train.columns[column], held.columns[column])
    ]
    return sorted(found, key=lambda s: (-s.power, s.column))


def unique(cells: Sequence[Any]) -> bool:
    """Whether a column holds names of rows: single words, another one in each."""
    names = [cell for cell in cells if not is_blank(cell)]
    return len(names) >= FEWEST and leak_rules.words(names) and len({str(name) for name in names}) == len(names)


def groups(train: Side, held: Side, *, columns: Sequence[str]) -> list[Suspect]:
    """Columns whose values look like groups that the split should have kept together: many values, several rows each,
    on both sides, and rows of one value nearly always share an answer that the column's other values do not share."""
    found: list[Suspect] = []
    target, goal = _flat(train.target)[:, 0], _flat(held.target)[:, 0]
    if not leak_rules.whole(target):
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


def _told(
    train: Side, held: Side, column: str, names: Sequence[str], *, texts: Collection[str], media: Collection[str]
) -> list[Told]:
    """What a column tells of each target that has enough rows."""
    out = []
    for place in range(_flat(train.target).shape[1]):
        (cells, own), (held_cells, goal) = _known(train, column, place), _known(held, column, place)
        if len(own) < FEWEST or len(goal) < FEWEST:
            continue
        target = own, goal
        if not leak_rules.whole(own) or not leak_rules.whole(goal):
            if column not in texts and column not in media:
                out.append(leak_rules.amounts(cells, held_cells, target))
            continue
        single = _flat(train.target).shape[1] == 1
        number = int(max(own.max(), goal.max(), len(names) - 1 if single else 1)) + 1
        rule = leak_rules.presence if column in texts or column in media else leak_rules.classes
        told = rule(cells, held_cells, target, number=number)
        if column not in media and single and len(names) >= number:
            told.found(leak_rules.labelled(cells, held_cells, target, names=names))
        out.append(told)
    return out


def _gives_away(told: Mapping[str, Told], held: Side, names: Sequence[str], easy: Collection[str]) -> list[Suspect]:
    """Columns that alone tell one class from all others, where none of those that do not can. `easy`: columns without
    which the target is told as well."""
    goal = _flat(held.target)[:, 0]
    found: dict[str, Suspect] = {}
    for k in range(max((len(t.classes) for t in told.values()), default=0)):
        count = int((goal == k).sum())
        if not OF_CLASS <= count < len(goal):
            continue
        of = {
            column: (float((t.sure_classes if column in easy else t.classes)[k]), float(t.any_classes[k]))
            for column, t in told.items()
            if k < len(t.classes)
        }
        always = 2 * count / (len(goal) + count)  # F1 of saying so of every row
        others = max([always, *(f1 for leak, f1 in of.values() if leak < CLASS)])
        detail = names[k] if k < len(names) else str(k)
        for column, (leak, _) in of.items():
            if leak >= CLASS and 1 - leak <= STANDS_OUT * (1 - others) and others < 0.8:
                found.setdefault(column, Suspect(column=column, kind="class", power=leak, others=others, detail=detail))
    return list(found.values())


def _together(held: Side, columns: Sequence[str], names: Sequence[str], others: float) -> Iterator[Suspect]:
    """Columns that are the target in pairs."""
    target = _flat(held.target)[:, 0]
    some = {column: held.columns[column] for column in columns}
    pairs: list[tuple[str, str]] = []
    if leak_rules.whole(target) and len(names) > int(target.max()):
        called = [names[int(t)] for t in target]
        pairs += identities.labels(some, called)
        numbers = leak_rules.as_numbers(called)
        target = np.full(len(target), np.nan) if numbers is None else numbers
    pairs += identities.numbers(some, target)
    partner: dict[str, str] = {}
    for one, two in pairs:
        partner.setdefault(one, two)
        partner.setdefault(two, one)
    for column, other in partner.items():
        yield Suspect(column=column, kind="pair", power=1.0, others=others, detail=other)


def _known(side: Side, column: str, place: int) -> tuple[Sequence[Any], np.ndarray]:
    """A column's cells and target number `place`, in the rows that have that target."""
    cells, own = side.columns[column], _flat(side.target)[:, place]
    rows = np.flatnonzero(np.isfinite(own))
    return (cells, own) if len(rows) == len(own) else ([cells[r] for r in rows.tolist()], own[rows])


def _flat(target: np.ndarray) -> np.ndarray:
    return target.reshape(len(target), -1).astype(np.float64)


def _most_common(keys: Sequence[Any], target: np.ndarray) -> dict[Any, float]:
    counts: dict[Any, Counter[float]] = {}
    for key, t in zip(keys, target.tolist(), strict=True):
        counts.setdefault(key, Counter())[t] += 1
    return {key: min(found, key=lambda t: (-found[t], t)) for key, found in counts.items()}
