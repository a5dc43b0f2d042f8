"""Golden rows: generated inputs (one with everything missing, one with each input missing) and the model's answers.

No row of a user's data is among them. Whoever changes the form of a model (export, compression, another machine) runs
them through the result and compares.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from consilience.bundle.manifest import write_arrays
from consilience.bundle.model import Input, Model
from consilience.core.seeding import generator
from consilience.data.table import Table
from consilience.modalities import MODALITIES

_FULL = 4
"""Rows with every input."""


def write(path: Path, model: Model) -> None:
    rows = make(model)
    answers = model.answer(_table(rows, model)).answers
    write_arrays(path, {"answers": answers}, {"rows": json.dumps(rows, default=_encode), "tolerance_fp32": "1e-4"})


def difference(path: Path, model: Model) -> float:
    """The largest absolute difference between the stored answers and those of `model`."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        rows = json.loads(file.metadata()["rows"], object_hook=_decode)
        want = file.get_tensor("answers")
    return float(np.abs(model.answer(_table(rows, model)).answers - want).max())


def make(model: Model) -> list[dict[str, Any]]:
    """Generated raw rows: `_FULL` whole ones, one without each input in turn, one without any."""
    rng = generator(0, "golden")
    seen: dict[tuple[str, ...], Input] = {}  # inputs that look at the same columns see the same cell
    for name in sorted(model.member.inputs):
        seen.setdefault(model.inputs[name].plan.columns, model.inputs[name])

    def row(without: set[tuple[str, ...]]) -> dict[str, Any]:
        cells: dict[str, Any] = {}
        for columns, given in seen.items():
            cell = MODALITIES.load(given.plan.modality)().example(given.config, given.processor, rng)
            cells |= {c: None if columns in without else v for c, v in zip(columns, cell, strict=True)}
        return cells

    return [row(set()) for _ in range(_FULL)] + [row({columns}) for columns in seen] + [row(set(seen))]


def _table(rows: list[dict[str, Any]], model: Model) -> Table:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    unseen = {name: [None] * len(rows) for name in model.columns}  # of a model that looks at nothing
    return Table(columns=columns or unseen, name="golden rows", root=Path("."))


def _encode(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} in a golden row")


def _decode(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if set(value) == {"base64"} else value
