"""The rows that a model got most wrong, with their cells as people look at them, for the report of a run.

Such rows are in the run's report and nowhere else: never in a bundle. Their cells are loaded again, a dozen rows only,
so whatever form models see them in plays no role. Knows no modality: each renders its own cells.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.bundle.model import Input, load_inputs, same_cells
from consilience.core.limits import Limits
from consilience.data.table import pick
from consilience.modalities import MODALITIES
from consilience.modalities.base import Preview
from consilience.tasks.base import Task
from consilience.workflows.prepare import Part

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
    target: str


def worst(shown: Shown, part: Part, answers: np.ndarray, *, most: int) -> list[dict[str, Any]]:
    """The rows whose answers are worst, worst first: of equally wrong ones those answered with most confidence; rows
    that are right are left out.
    Each: {"row", "true", "predicted", "confidence", "cells": [{"input", "words", "data"}]}.
    """
    if most <= 0 or not len(answers):
        return []
    merits = shown.task.merits(part.widen(answers), part.target)
    said = shown.task.decode(answers)
    true = pick(part.table[shown.target], part.rows) if shown.target in part.table.columns else [""] * len(said)
    order = np.lexsort((-answers.max(1), merits))
    chosen = [int(r) for r in order if str(true[r]).strip() != str(said[r]).strip()][:most]
    if not chosen:
        return []
    cells = _cells(shown, part, np.array(chosen, np.int64))
    return [
        {
            "row": part.table.line(int(part.rows[r])),
            "true": _plain(true[r]),
            "predicted": _plain(said[r]),
            "confidence": float(answers[r].max()) if shown.task.discrete else None,
            "cells": cells[place],
        }
        for place, r in enumerate(chosen)
    ]


def _cells(shown: Shown, part: Part, chosen: np.ndarray) -> list[list[dict[str, Any]]]:
    """By row, its cells as a page shows them."""
    table = part.table.take(part.rows[chosen])
    first = {label: shown.inputs[ways[0]] for label, ways in same_cells(shown.inputs).items()}
    plans, configs = {n: given.plan for n, given in first.items()}, {n: given.config for n, given in first.items()}
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


def _plain(value: Any) -> Any:
    """A label, or a number as people read it."""
    return float(f"{value:.6g}") if isinstance(value, float) else str(value)
