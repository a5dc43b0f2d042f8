"""inspect: what a table looks like to the program, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from consilience.data.infer import infer
from consilience.data.sources import read, sides
from consilience.data.table import Table
from consilience.data.target import answered, cells_of, columns_of, emptied, holds_numbers
from consilience.modalities import MODALITIES
from consilience.tasks.choose import recognise


def inspect(
    source: Any,
    *,
    target: str | Sequence[str] | None = None,
    inputs: Mapping[str, tuple[str, Sequence[str]]] | None = None,
    ignore: Sequence[str] = (),
    root: Path | None = None,
) -> dict[str, Any]:
    """{"table", "rows", "columns": [{name, kind, modality, input, reason, hint, missing, distinct, examples}],
    "inputs", "notes"}, and with a target "tasks": {column: {"kind", "reason", "notes"}}.

    Of a source that holds the sides of a split, the training side. `inputs`: made by hand, name -> (kind, columns).
    `notes`: what was left out when reading. A column of the kind "unknown" is no input: `hint` says how to go on.
    """
    table = read(sides(source)["train"], root=root)
    columns = () if target is None else columns_of(target, table)
    inference = infer(table, target=columns, ignore=ignore, assigned=inputs)
    for name in inputs or {}:  # what a modality cannot make one input of is said here, not only when training starts
        plan = inference.inputs[name]
        modality = MODALITIES.load(plan.modality)()
        modality.resolve(modality.Config(), [inference.samples[column] for column in plan.columns], plan.kinds)
    return {
        "table": table.name,
        "rows": len(table),
        "columns": [asdict(column) for column in inference.columns],
        "notes": list(table.notes),
        **({"tasks": {column: _task(table, column) for column in columns}} if columns else {}),
        "inputs": {n: {"modality": p.modality, "columns": list(p.columns)} for n, p in inference.inputs.items()},
    }


def _task(table: Table, column: str) -> dict[str, Any]:
    """What the column would be learned as, and why."""
    table = emptied(table, [column] if holds_numbers(table[column]) else [])
    cells = cells_of(table, (column,), np.flatnonzero(answered(table, (column,))))
    if not cells:
        return {"kind": None, "reason": "no row has a target", "notes": []}
    kind, reason, notes = recognise(cells, column)
    return {"kind": kind, "reason": reason, "notes": list(notes)}
