"""Which columns form which inputs, and why. Asks every modality for its claim; knows none of them by name.

The strongest claim wins, ties go to the modality listed first; what the user assigned by hand is not asked about.
Another modality may make an input of its own of what the owner does not read: the sound of a film.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from consilience.core.errors import DataError, UserError, unknown
from consilience.core.files import Stored
from consilience.core.registry import Family
from consilience.data import leftover
from consilience.data.sample import count, examples, sample
from consilience.data.table import Table
from consilience.data.target import holds_numbers
from consilience.modalities import MODALITIES
from consilience.modalities.base import MISSING_MARKERS, ColumnSample, Evidence, Modality

JOINT = "table"
UNKNOWN = "unknown"

Assigned = Mapping[str, tuple[str, Sequence[str]]]
"""Inputs made by hand: name -> (kind, columns)."""


@dataclass(frozen=True, kw_only=True)
class InputPlan:
    """One input: the columns it is made of and the modality that handles them."""

    name: str
    modality: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    """The modality's own name for each column, e.g. "number"."""


@dataclass(frozen=True, kw_only=True)
class ColumnReport:
    """What became of one column, for `inspect`."""

    name: str
    kind: str
    """The modality's name for it, or "target", "ignored", "empty", or "unknown": left out, since nobody claims it."""
    modality: str | None
    input: str | None
    reason: str
    hint: str | None = None
    """Of an unknown one: what it looks like, how to say what it is, and how to leave it out."""
    missing: float
    """Share of rows without a cell, 0 to 1."""
    distinct: int
    """Distinct cells in the whole table."""
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inference:
    """Inputs by name, in the order of the table, and a report on every column (target, ignored and empty ones too)."""

    inputs: dict[str, InputPlan]
    columns: list[ColumnReport]
    samples: dict[str, ColumnSample]
    """What was seen of each column that is not ignored and can be read."""

    @property
    def left_out(self) -> dict[str, str]:
        """The columns that nobody claims, in the order of the table: why, and how to go on."""
        return {c.name: f"{c.reason}: {c.hint}" for c in self.columns if c.kind == UNKNOWN}

    @property
    def unreadable(self) -> frozenset[str]:
        """Those of them that hold what no cell may hold: looking at them is an error."""
        return frozenset(self.left_out).difference(self.samples)


@dataclass(frozen=True, kw_only=True)
class _Choice:
    column: str
    modality: str
    kind: str
    reason: str
    missing: tuple[str, ...] = ()
    beside: Mapping[str, Evidence] = field(default_factory=dict)
    """What other modalities read of the same column, by their name."""


def infer(
    table: Table,
    *,
    target: str | Sequence[str] | None,
    ignore: Iterable[str] = (),
    assigned: Assigned | None = None,
    modalities: Family = MODALITIES,
) -> Inference:
    """Plan the inputs of `table`. A column that no modality recognises is in none of them, and its report says why.
    Raises DataError for unknown or contradictory columns, and where no column is left to learn from."""
    ignored, given = frozenset(ignore), dict(assigned or {})
    targets = (target,) if isinstance(target, str) else tuple(target or ())
    parts = {name: modalities.load(name)() for name in modalities}
    kinds = known_kinds(parts)
    _check(table, targets, ignored, given, kinds)
    by_hand: dict[str, str] = {}
    for name, (_, columns) in given.items():
        for column in columns:
            by_hand.setdefault(column, name)
    labels = {column for column in table.labels if column not in targets and column not in by_hand}
    ignored |= labels
    samples: dict[str, ColumnSample] = {}
    choices: dict[str, _Choice] = {}
    unclear: dict[str, tuple[str, str]] = {}
    """Column -> reason and hint."""
    for column in table.columns:
        if column in ignored:
            continue
        asked_for = column in by_hand or column in targets
        try:
            samples[column] = seen = sample(table, column)
        except DataError as error:  # a value that no cell may hold: one column of such stops nothing
            if asked_for:
                raise
            unclear[column] = str(error), leftover.unreadable(column)
            continue
        if column in by_hand:
            name = by_hand[column]
            if leftover.holds_lists(seen.cells):
                raise DataError(f"{table.name}: column {column!r} holds lists, which only a target may: it is no input")
            choices[column] = _assign(name, kinds[given[name][0]], given[name][0], seen, parts)
        elif column not in targets and seen.cells:
            choice = None if leftover.holds_lists(seen.cells) else _claim(seen, parts)
            if choice is None:
                unclear[column] = leftover.reason_of(seen), leftover.hint_of(seen, parts, kinds)
            else:
                choices[column] = choice
    inputs = _group(table, choices, by_hand, given, parts, taken={*table.columns} - ignored)
    for name in given:  # inputs of columns that another input reads too, with another modality
        if name not in inputs:
            kind, columns = given[name]
            read = [_assign(name, kinds[kind], kind, samples[column], parts).kind for column in columns]
            inputs[name] = InputPlan(name=name, modality=kinds[kind], columns=tuple(columns), kinds=tuple(read))
    if not inputs:
        said = [f"column {name!r}: {reason}: {hint}" for name, (reason, hint) in unclear.items()]
        besides = f", target {', '.join(targets)!r}" if targets else ""
        what = f"no column is left to learn from ({len(table):,} rows{besides})"
        raise DataError("\n".join([f"{table.name}: {what}", *said]))
    owner: dict[str, str] = {}
    for plan in inputs.values():
        for column in plan.columns:
            owner.setdefault(column, plan.name)
    reports = [
        _report(table, c, samples.get(c), choices.get(c), owner.get(c), c in targets, parts) for c in table.columns
    ]
    reports = [replace(r, reason="only names the row") if r.name in labels else r for r in reports]
    for place, report in enumerate(reports):
        if report.name in unclear:
            reason, hint = unclear[report.name]
            reports[place] = replace(report, kind=UNKNOWN, reason=reason, hint=hint)
    return Inference(inputs=inputs, columns=reports, samples=samples)


def parse_input(text: str) -> tuple[str, str, tuple[str, ...]]:
    """`NAME=KIND:COL[,COL...]` -> (name, kind, columns). A column with a comma in its name, or blanks
    around it, goes in double quotes."""
    how = "write it as NAME=KIND:COLUMN or NAME=KIND:COLUMN,COLUMN, for example photo=image:photo_path"
    name, equals, rest = text.partition("=")
    kind, colon, names = rest.partition(":")
    name, kind = name.strip(), kind.strip()
    if not equals or not colon or not name or not kind:
        raise UserError(f"--input {text!r}: {how}")
    try:
        found = next(csv.reader([names], strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        raise UserError(f"--input {text!r}: the quotes in the column names do not match; {how}") from error
    columns = tuple(found if '"' in names else map(str.strip, found))
    if not columns or not all(map(str.strip, columns)):
        raise UserError(f"--input {text!r}: a column name is empty; {how}")
    if len(set(columns)) < len(columns):
        raise UserError(f"--input {text!r}: a column is named twice")
    return name, kind, columns


def known_kinds(parts: Mapping[str, Modality]) -> dict[str, str]:
    """kind -> the modality that has it; the first in the table of modalities, should two share one."""
    kinds: dict[str, str] = {}
    for name, part in parts.items():
        for kind in part.kinds:
            kinds.setdefault(kind, name)
    return kinds


def _check(
    table: Table, targets: Collection[str], ignored: Collection[str], given: Assigned, kinds: Mapping[str, str]
) -> None:
    """Everything that contradicts the table or itself, all at once."""
    problems: list[str] = []
    named = [("target", target) for target in targets]
    named += [("ignored column", c) for c in sorted(ignored)]
    named += [(f"column of input {name!r}", c) for name, (_, columns) in given.items() for c in columns]
    problems += [unknown(what, column, table.columns) for what, column in named if column not in table.columns]
    problems += [f"column {target!r} is both the target and ignored" for target in targets if target in ignored]
    owner: dict[str, str] = {}
    for name, (kind, columns) in given.items():
        if kind not in kinds:
            problems.append(f"input {name!r}: {unknown('kind', kind, kinds)}")
        if not columns:
            problems.append(f"input {name!r} has no column")
        for column in columns:
            if column in targets:
                problems.append(f"column {column!r} is the target and cannot be part of input {name!r}")
            if column in ignored:
                problems.append(f"column {column!r} is ignored and cannot be part of input {name!r}")
            if column in owner and (len(columns) > 1 or kinds.get(given[owner[column]][0]) == kinds.get(kind)):
                problems.append(f"column {column!r} is given to two inputs, {owner[column]!r} and {name!r}")
            owner.setdefault(column, name)
    for name in given:
        if name in table.columns and name not in targets and name not in ignored and name not in owner:
            problems.append(f"input {name!r} is called like a column that is an input of its own; choose another name")
    if problems:
        raise DataError("\n".join(f"{table.name}: {problem}" for problem in problems))


def _claim(column: ColumnSample, parts: Mapping[str, Modality]) -> _Choice | None:
    """The strongest claim; None where there is none."""
    best: tuple[str, Evidence] | None = None
    beside: dict[str, Evidence] = {}
    held = Stored in set(map(type, column.cells))  # what lies in another file is media, or nothing
    for name, part in parts.items():
        if held and not part.media:
            continue
        evidence = part.sniff(column)
        if evidence is not None and evidence.beside:
            beside[name] = evidence
        if evidence is not None and (best is None or evidence.strength > best[1].strength):
            best = name, evidence
    if best is None:
        return None
    others = {name: evidence for name, evidence in beside.items() if name != best[0]}
    said = "".join(f"; {evidence.reason}" for evidence in others.values())
    name, own = best
    reason = own.reason + said
    return _Choice(column=column.name, modality=name, kind=own.kind, reason=reason, missing=own.missing, beside=others)


def _assign(name: str, modality: str, kind: str, column: ColumnSample, parts: Mapping[str, Modality]) -> _Choice:
    """A column the user gave to an input. When they named the modality alone, it says which of its kinds this is."""
    part, reason, missing = parts[modality], f"assigned to input {name!r}", tuple[str, ...]()
    if kind == part.kinds[0] and len(part.kinds) > 1 and column.cells:
        evidence = part.sniff(column)
        if evidence is not None:
            kind, reason, missing = evidence.kind, f"{reason}; {evidence.reason}", evidence.missing
    return _Choice(column=column.name, modality=modality, kind=kind, reason=reason, missing=missing)


def _group(
    table: Table,
    choices: Mapping[str, _Choice],
    by_hand: Mapping[str, str],
    given: Assigned,
    parts: Mapping[str, Modality],
    taken: Collection[str],
) -> dict[str, InputPlan]:
    """Inputs by name. Columns of a joint modality that nobody grouped come together; others stand alone."""
    names, columns = {*taken, *given}, dict[str, list[str]]()
    joint: dict[str, str] = {}
    for column in table.columns:
        if column not in choices:
            continue
        modality = choices[column].modality
        if column in by_hand:
            name = by_hand[column]
        elif not parts[modality].joint:
            name = column
        else:
            if modality not in joint:
                joint[modality] = _free(names)
                names.add(joint[modality])
            name = joint[modality]
        columns.setdefault(name, []).append(column)
    plans: dict[str, InputPlan] = {}
    for name, members in columns.items():
        order = tuple(given[name][1]) if name in given else tuple(members)
        kinds = tuple(choices[c].kind for c in order)
        plans[name] = InputPlan(name=name, modality=choices[order[0]].modality, columns=order, kinds=kinds)
        for other, evidence in choices[order[0]].beside.items():
            part = _free({*names, *plans}, f"{name}_{evidence.beside}")
            plans[part] = InputPlan(name=part, modality=other, columns=order, kinds=(evidence.kind,))
    return plans


def _free(taken: Collection[str], wish: str = JOINT) -> str:
    name, n = wish, 0
    while name in taken:
        n += 1
        name = f"{wish}_{n}"
    return name


def _report(
    table: Table,
    column: str,
    seen: ColumnSample | None,
    choice: _Choice | None,
    owner: str | None,
    target: bool,
    parts: Mapping[str, Modality],
) -> ColumnReport:
    if seen is None:  # ignored columns are not looked at: they may hold what no column may hold
        return ColumnReport(
            name=column,
            kind="ignored",
            modality=None,
            input=None,
            reason="ignored",
            missing=0.0,
            distinct=0,
            examples=(),
        )
    markers = () if choice is None else (*parts[choice.modality].markers, *choice.missing)
    if target and holds_numbers(table[column]):
        markers = MISSING_MARKERS
    present, distinct = count(table[column], markers)
    kind, reason = ("target", "the target") if target else ("empty", "no cell in it")
    if choice is not None:
        kind, reason = choice.kind, choice.reason
    return ColumnReport(
        name=column,
        kind=kind,
        modality=None if choice is None else choice.modality,
        input=owner,
        reason=reason,
        missing=1 - present / len(table) if len(table) else 0.0,
        distinct=distinct,
        examples=examples(seen.cells),
    )
