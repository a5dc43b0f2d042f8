"""How a table asked about differs from the one a model was trained on, in sentences. Whoever uses a model on a table
prints them: predict, evaluate, audit, fit (of further tables), the server. Changes no answer and knows no modality.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from consilience.core.alike import nearest
from consilience.data.cells import Cells, Dataset
from consilience.data.check import summarize
from consilience.data.table import Table
from consilience.modalities.base import Unlike

if TYPE_CHECKING:
    from consilience.bundle.model import Input

_LEAST = 5
"""Rows from which on a share says something."""
_CLEAR = {"new": 0.5, "missing": 0.9}
"""Share of the rows which training leaves room for, beyond which a change is worth a word: gaps come and go."""
_REQUESTED = 20
"""Sentences about one request."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`warnings`: what may well make answers wrong. `notes`: what was understood although it was written otherwise."""

    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def compare(
    table: Table, dataset: Dataset, inputs: Mapping[str, Input], *, known: Collection[str], complete: bool = True
) -> Comparison:
    """`dataset`: the cells of the table, of those `inputs` that matter. `known`: further columns that training had.
    `complete`: an absent column and one without values are worth a warning; else (dicts, which may leave anything out)
    only an absent column like which another is called."""
    if not len(table):
        return Comparison()
    absent = absent_columns(table, {c for n in dataset.inputs for c in inputs[n].plan.columns}, known)
    warnings = [
        f"column {column!r}, which the model uses, is not in the table, so it counts as missing on all "
        f"{len(table):,} rows (100 %)." + (f" Did you mean {near!r}? Rename it to {column!r}." if near else "")
        for column, near in absent.items()
        if near or complete
    ]
    once = _once(dataset, inputs)
    usual = _usual(once, inputs)
    warnings += summarize(_problems(once, lambda column: column not in usual))
    notes = summarize(_problems(once, lambda column: column in usual))
    for fact in _facts(once, inputs):
        if fact.column in absent or (fact.what == "missing" and not complete):
            continue
        if fact.what == "otherwise written" and fact.rows:
            notes.append(
                f"column {fact.column!r}: {_share(fact)} hold a value in another form than in training "
                f"({', '.join(fact.examples)}); it was taken for the same"
            )
            continue
        told = fact.what == "missing" and _unreadable(dataset, fact)
        if fact.of >= _LEAST and is_unlike(fact) and not told:
            warnings.append(sentence(fact))
    return Comparison(warnings=tuple(dict.fromkeys(warnings)), notes=tuple(dict.fromkeys(notes)))


def in_request(dataset: Dataset, inputs: Mapping[str, Input]) -> tuple[list[str], dict[str, int]]:
    """Of a request, one row even: a sentence for each new category of a column in which training hardly ever had one,
    whatever the other rows hold, and for numbers that are all outside of the range of training; and by input how many
    values are new categories."""
    said: list[str] = []
    new: Counter[str] = Counter()
    for name, cells in dataset.inputs.items():
        for fact in inputs[name].processor.in_request(cells.values, cells.index):
            if fact.what == "new":
                new[name] += fact.rows
                if _beyond(1.0, 1, fact.expected):
                    rows = np.flatnonzero(np.isin(cells.index, fact.values)).tolist()
                    said.append(
                        f"{_rows(rows)}: column {fact.column!r} holds {fact.examples[0]}, which is new to the model"
                    )
            elif fact.of >= _LEAST:
                said.append(sentence(fact))
    more = len(said) - _REQUESTED
    return (said if more <= 0 else [*said[:_REQUESTED], f"and {more:,} more such values"]), dict(new)


def _rows(rows: list[int]) -> str:
    if len(rows) == 1:
        return f"row {rows[0]}"
    shown, more = rows[:3], len(rows) - 3
    return f"rows {', '.join(map(str, shown))}" + (f" and {more:,} more" if more > 0 else "")


def absent_columns(table: Table, used: Collection[str], known: Collection[str]) -> dict[str, str | None]:
    """The used columns that a table lacks, each with the column that is probably it: each is most like the other."""
    absent = sorted(set(used) - table.columns.keys())
    strangers = sorted(table.columns.keys() - set(used) - set(known)) if absent else []
    found = {column: nearest(column, strangers) for column in absent}
    return {column: near if near and nearest(near, absent) == column else None for column, near in found.items()}


def _once(dataset: Dataset, inputs: Mapping[str, Input]) -> Dataset:
    """Of inputs that look at the same cells (as they are, through backbones), the first."""
    first: dict[tuple[str, tuple[str, ...]], str] = {}
    for name in dataset.inputs:
        first.setdefault((inputs[name].plan.modality, inputs[name].plan.columns), name)
    return Dataset(inputs={name: dataset.inputs[name] for name in first.values()}, rows=dataset.rows)


def _facts(dataset: Dataset, inputs: Mapping[str, Input]) -> Iterator[Unlike]:
    """Of every column where the input knows its columns, else of the input as a whole."""
    for name, cells in dataset.inputs.items():
        given = inputs[name]
        empty = int(_empty(cells).sum())
        facts = given.processor.unlike(cells.values, cells.index)
        if not facts:
            column = ", ".join(given.plan.columns)
            yield Unlike(column=column, what="missing", rows=empty, of=dataset.rows, expected=given.missing)
        for fact in facts:
            if fact.what != "missing":
                yield fact
                continue
            expected = given.missing + (1 - given.missing) * fact.expected
            yield replace(fact, rows=empty + fact.rows, of=dataset.rows, expected=expected)


def _empty(cells: Cells) -> np.ndarray:
    """[N] bool: rows without a value."""
    has = np.fromiter((value is not None for value in cells.values), bool, len(cells.values))
    return ~has[cells.index]  # type: ignore[no-any-return]


def missing_share(cells: Cells, rows: np.ndarray) -> float:
    """Of these rows, how many have no value: what `Input.missing` keeps of training."""
    return float(_empty(cells)[rows].mean()) if len(rows) else 0.0


def unreadable_shares(cells: Cells, rows: np.ndarray) -> dict[str, float]:
    """By column: of these rows, how many have a cell that could not be read; what `Input.unreadable` keeps of
    training."""
    wanted = set(rows.tolist()) if cells.problems else set()
    bad = Counter(column for row, column in {(p.row, p.column) for p in cells.problems} if row in wanted)
    return {column: count / len(rows) for column, count in sorted(bad.items())}


def _usual(dataset: Dataset, inputs: Mapping[str, Input]) -> set[str]:
    """Columns with cells that cannot be read, but no more of them than training leads to expect."""
    usual = set()
    for name, cells in dataset.inputs.items():
        for column, share in unreadable_shares(cells, np.arange(dataset.rows)).items():
            expected = inputs[name].unreadable.get(column, 0.0)
            if expected and not _beyond(share, dataset.rows, expected):
                usual.add(column)
    return usual


def _problems(dataset: Dataset, keep: Callable[[str], bool]) -> Dataset:
    """The dataset with the problems of some columns only."""
    inputs = {n: replace(c, problems=tuple(p for p in c.problems if keep(p.column))) for n, c in dataset.inputs.items()}
    return Dataset(inputs=inputs, rows=dataset.rows)


def _beyond(share: float, rows: int, expected: float) -> bool:
    """Whether a share of so many rows is more than expected, and no accident (four standard deviations)."""
    excess = share - expected
    return excess > 0 and rows * excess**2 > 16 * expected * (1 - expected)


def is_unlike(fact: Unlike) -> bool:
    """Whether so many rows cannot be what training leads to expect: more than half (of missing ones: nine tenths) of
    those that training leaves room for, and no accident (four standard deviations). Numbers: none is in the range."""
    if not fact.rows:
        return False
    if fact.what == "outside":
        return fact.rows == fact.of
    share = fact.rows / fact.of
    clear = fact.expected + (1 - fact.expected) * _CLEAR[fact.what]
    return share > clear and _beyond(share, fact.of, fact.expected)


def _unreadable(dataset: Dataset, fact: Unlike) -> bool:
    """Whether most rows without a value have one that could not be read: that has been said already."""
    rows = {p.row for p in dataset.problems if p.whole or p.column == fact.column}
    return 2 * len(rows) >= fact.rows


def sentence(fact: Unlike) -> str:
    about = f"column {fact.column!r}: {_share(fact)}"
    if fact.what == "missing":
        return f"{about} have no value ({_percent(fact.expected)} in training); check that the column is filled in"
    if fact.what == "outside":
        low, high = fact.examples
        return f"{about} hold a number outside of the range of training, {low} to {high}; check the unit"
    shown = f"{', '.join(fact.examples)}; {_percent(fact.expected)} in training"
    return f"{about} hold a value that is new to the model ({shown}); check how the column is written"


def _share(fact: Unlike) -> str:
    return f"{fact.rows:,} of {fact.of:,} rows ({_percent(fact.rows / fact.of)})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
