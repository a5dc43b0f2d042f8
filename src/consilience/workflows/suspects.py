"""What an audit finds in the data: rows that training has too, and columns that know too much. Asks no model.

Knows parts of a run and raw columns; of a modality it asks only what two near copies share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from consilience.bundle.model import Input, same_cells
from consilience.core.seeding import generator
from consilience.data import duplicates, leaks
from consilience.data.cells import Cells, Chosen, Dataset
from consilience.data.duplicates import Shared
from consilience.data.leaks import Side, Suspect
from consilience.data.split import wide_groups
from consilience.data.table import pick
from consilience.modalities import MODALITIES
from consilience.workflows.prepare import Part

_ROWS = 100_000
"""Training rows looked through for twins, and for leaks a fifth of that."""
_CELL, _PAIR = 8e-6, 5e-8
"""Seconds for each cell, and for each pair of columns."""
_MANY, _MANY_ROWS = 0.02, 5
"""A content on this share of the training rows, and as many of them, comes again like a value."""
_CELLS = 6_000
"""Distinct cells of each side compared for near copies."""


def seconds(train: Part, held: Part, inputs: Mapping[str, Input]) -> float:
    """About how long looking takes, on a slow machine: of a table of thousands of columns it may be minutes."""
    columns = len({column for given in inputs.values() for column in given.plan.columns})
    rows = min(len(train.rows), _ROWS // 5) + len(held.rows)
    return columns * (rows * _CELL + columns * _PAIR)


def shared(
    train: tuple[Part, Dataset], held: tuple[Part, Dataset], inputs: Mapping[str, Input]
) -> tuple[list[Shared], list[str]]:
    """Held-out rows that training has too, most telling first; and what was not looked at."""
    (part, loaded), (of, found) = train, held
    skipped = []
    if len(part.rows) > _ROWS:
        skipped.append(f"copies across the split were not looked for: more than {_ROWS:,} training rows")
        return [], skipped
    out: list[Shared | None] = [_whole(train, held, inputs)]
    for label, (name, *_) in same_cells(inputs).items():
        given = inputs[name]
        modality = MODALITIES.load(given.plan.modality)()
        if name not in loaded.inputs or name not in found.inputs:
            continue
        a, b = loaded.inputs[name], found.inputs[name]
        if modality.media:
            exact = duplicates.contents(label, *_alone(a.groups[part.rows], b.groups[of.rows]))
            out.append(exact)
            if given.backbone is None:
                out.append(_near(label, given, (a, part.rows), (b, of.rows), exact))
            else:
                skipped.append(f"near copies of {label} were not looked for: only its vectors are at hand")
        else:
            out += [
                duplicates.texts(column, *_columns(column, part, of))
                for column in given.plan.columns
                if column in part.table.columns and column in of.table.columns
            ]
    return [item for item in out if item is not None], skipped


def _alone(train: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Contents of both sides [N] without those of many training rows: who shares an icon is no copy of another."""
    many = [group for group in wide_groups(train, _MANY) if (train == group).sum() >= _MANY_ROWS]
    return np.where(np.isin(train, many), -1, train), np.where(np.isin(held, many), -1, held)


def _whole(train: tuple[Part, Dataset], held: tuple[Part, Dataset], inputs: Mapping[str, Input]) -> Shared | None:
    """Rows of which every input is the same; of media, the content."""
    (part, loaded), (of, found) = train, held
    before: dict[str, Sequence[Any]] = {}
    after: dict[str, Sequence[Any]] = {}
    for name, *_ in same_cells(inputs).values():
        given = inputs[name]
        if MODALITIES.load(given.plan.modality).media and name in loaded.inputs and name in found.inputs:
            a, b = _alone(loaded.inputs[name].groups[part.rows], found.inputs[name].groups[of.rows])
            before[name], after[name] = ([str(g) if g >= 0 else None for g in groups.tolist()] for groups in (a, b))
        else:
            for column in given.plan.columns:
                if column in part.table.columns and column in of.table.columns:
                    before[column], after[column] = _columns(column, part, of)
    return duplicates.rows(before, after)


def _near(
    name: str,
    given: Input,
    train: tuple[Cells, np.ndarray],
    held: tuple[Cells, np.ndarray],
    exact: Shared | None,
) -> Shared | None:
    modality = MODALITIES.load(given.plan.modality)()
    sides, within = [], 0.0
    for cells, rows in (train, held):
        index = cells.index[rows]
        used, place = np.unique(index, return_inverse=True)
        if len(used) > _CELLS:
            return None
        answer = modality.likeness(Chosen(cells.values, used.tolist()))
        if answer is None:
            return None
        sides.append((answer[0], place))
        within = answer[1]
    if sides[0][0].shape[1:] != sides[1][0].shape[1:]:
        return None
    found = duplicates.near(name, sides[0], sides[1], within=within)
    if found is None or exact is None:
        return found
    new = ~np.isin(found.rows, exact.rows)
    return Shared(kind=found.kind, what=name, rows=found.rows[new], twins=found.twins[new]) if new.any() else None


def ids(part: Part, inputs: Mapping[str, Input]) -> set[str]:
    """Inputs of words of which each row has one of its own: names of rows, from which nothing is learned."""
    found = set()
    for name, ways in same_cells(inputs).items():
        plan = inputs[ways[0]].plan
        modality = MODALITIES.load(plan.modality)
        if modality.media or modality.joint or not set(plan.columns) <= set(part.table.columns):
            continue
        if all(leaks.unique(pick(part.table[column], part.rows)) for column in plan.columns):
            found.add(name)
    return found


def _columns(column: str, part: Part, of: Part) -> tuple[list[Any], list[Any]]:
    return pick(part.table[column], part.rows), pick(of.table[column], of.rows)


def suspected(
    train: Part,
    held: Part,
    inputs: Mapping[str, Input],
    *,
    powers: Mapping[str, float],
    apart: Sequence[str],
    group: str | None,
    seed: int,
) -> list[Suspect]:
    """Columns to look at. `powers`: of each input, how far a model of it alone gets from nothing to perfect.
    `apart`: columns that are no inputs: of the target, of weights."""
    chosen = np.arange(len(train.rows))
    if len(chosen) > _ROWS // 5:
        chosen = np.sort(generator(seed, "leaks").permutation(len(chosen))[: _ROWS // 5])
    train = train.take(chosen)
    named = {
        column: (name, ways[0]) for name, ways in same_cells(inputs).items() for column in inputs[ways[0]].plan.columns
    }
    owner = {
        column: name
        for column, (name, _) in named.items()
        if column in train.table.columns and column in held.table.columns
    }
    modality = {column: MODALITIES.load(inputs[named[column][1]].plan.modality) for column in owner}
    apart = [*apart, *([group] if group else []), *(c for c, of in modality.items() if not of.joint)]
    every = [c for c in train.table.columns if c in held.table.columns and c not in apart]
    some = {c: [*_columns(c, train, held)] for c in dict.fromkeys([*owner, *every])}
    sides = [Side(columns={c: some[c][k] for c in some}, target=part.target) for k, part in enumerate((train, held))]
    found = leaks.suspects(
        sides[0],
        sides[1],
        names=held.names,
        inputs=owner,
        powers=powers,
        texts=[c for c, of in modality.items() if not of.joint and not of.media],
        media=[c for c, of in modality.items() if of.media],
    )
    told = {suspect.column for suspect in found}
    found += leaks.groups(sides[0], sides[1], columns=[c for c in every if c not in told])
    return found
