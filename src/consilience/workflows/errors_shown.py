"""The rows that a model got most wrong, with their cells as people look at them, for the report of a run.

Such rows are in the run's report and nowhere else: never in a bundle. Their cells are loaded again, a dozen rows only,
so whatever form models see them in plays no role. Knows no modality: each renders its own cells.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from consilience.bundle.model import Input, Model, load_inputs, same_cells
from consilience.core.limits import Limits
from consilience.data.table import pick
from consilience.modalities import MODALITIES
from consilience.modalities.base import Preview, is_blank
from consilience.tasks.base import Task
from consilience.workflows.prepare import Part

ERRORS = 12
"""Rows shown, where nobody says how many."""
LARGEST = 400_000
"""Bytes of one embedded file; larger ones are left out."""
ALL = 3_000_000
"""Bytes of all of them."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the rows are shown with."""

    task: Task
    inputs: Mapping[str, Input]
    limits: Limits
    targets: Sequence[str]

    @classmethod
    def of(cls, model: Model) -> Shown:
        targets = model.targets or (model.target,)
        return cls(task=model.task, inputs=model.inputs, limits=model.limits, targets=targets)


def worst(shown: Shown, part: Part, answers: np.ndarray, *, most: int) -> list[dict[str, Any]]:
    """The rows whose answers are worst, worst first: of equally wrong ones those answered with most confidence; rows
    that are right are left out.
    Each: {"row", "true", "predicted", "confidence", "cells": [{"input", "words", "data"}]}.
    """
    if most <= 0 or not len(answers):
        return []
    merits = shown.task.merits(part.widen(answers), part.target)
    said = shown.task.decode(answers)
    true = _true(shown, part)
    order = np.lexsort((-answers.max(1), merits))
    chosen = [int(r) for r in order if not _same(true[r], said[r])][:most]
    if not chosen:
        return []
    chances = shown.task.discrete and float(answers.min()) >= 0 and float(answers.max()) <= 1 + 1e-9
    cells = _cells(shown, part, np.array(chosen, np.int64))
    return [
        {
            "row": part.table.line(int(part.rows[r])),
            "true": _plain(true[r]),
            "predicted": _plain(said[r]),
            "confidence": float(answers[r].max()) if chances else None,
            "cells": cells[place],
        }
        for place, r in enumerate(chosen)
    ]


def _cells(shown: Shown, part: Part, chosen: np.ndarray) -> list[list[dict[str, Any]]]:
    """By row, its cells as a page shows them."""
    table = part.table.take(part.rows[chosen])
    first = {label: shown.inputs[ways[0]] for label, ways in same_cells(shown.inputs).items()}
    # Under the label: an input that looks through a backbone has a name of its own.
    plans = {label: replace(given.plan, name=label) for label, given in first.items()}
    configs = {label: given.config for label, given in first.items()}
    loaded = load_inputs(table, plans, configs, shown.limits, workers=0)
    rows: list[list[dict[str, Any]]] = [[] for _ in chosen]
    left = ALL
    for label, given in first.items():
        modality = MODALITIES.load(given.plan.modality)()
        columns, cells = given.plan.columns, loaded.inputs[label]
        raw = [list(table[c]) if c in table.columns else [None] * len(chosen) for c in columns]
        for place in range(len(chosen)):
            cell = tuple(column[place] for column in raw)
            value = cells.values[int(cells.index[place])]
            if modality.missing(cell):
                found = Preview(words="(missing)")
            elif value is None:
                found = Preview(words="(cannot be used)")
            else:
                found = modality.preview(columns, cell, value, given.config)
            if len(found.content) > min(LARGEST, left):
                found = Preview(words=found.words or "(too large to show)")
            left -= len(found.content)
            data = base64.b64encode(found.content).decode() if found.content else ""
            rows[place].append(
                {"input": label, "words": found.words, "data": data and f"data:{found.media_type};base64,{data}"}
            )
    return rows


def _true(shown: Shown, part: Part) -> list[Any]:
    """The raw targets of the rows; of several columns {name: cell}."""
    columns = {name: pick(part.table[name], part.rows) for name in shown.targets if name in part.table.columns}
    if len(columns) == 1:
        return next(iter(columns.values()))
    rows = zip(*columns.values(), strict=True)
    return [{n: v for n, v in zip(columns, row, strict=True) if not is_blank(v)} for row in rows]


def _same(true: Any, said: Any) -> bool:
    """Whether a raw target says what the model said."""
    if isinstance(said, Mapping):
        return isinstance(true, Mapping) and all(_same(v, said.get(name)) for name, v in true.items())
    if isinstance(said, list | tuple):
        labels = true if isinstance(true, list | tuple) else re.split(r"[|;,]", str(true))
        return {str(label).strip() for label in labels} - {""} == {str(label).strip() for label in said}
    return str(true).strip() == str(said).strip()


def _plain(value: Any) -> Any:
    """A label, or a number as people read it; of several answers, each with its name."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(v)}" for name, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(_plain(v)) for v in value)
    return float(f"{value:.6g}") if isinstance(value, float) else str(value)
