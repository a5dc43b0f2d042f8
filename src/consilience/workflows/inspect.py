"""inspect: what a table looks like to the program, before anything is trained."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from consilience.data.infer import infer
from consilience.data.sources import read, sides


def inspect(source: Any, *, target: str | None = None, root: Path | None = None) -> dict[str, Any]:
    """{"table", "rows", "columns": [{name, kind, modality, input, reason, missing, distinct, examples}], "inputs",
    "notes"}.

    Of a source that holds the sides of a split, the training side. `notes`: what was left out when reading.
    """
    table = read(sides(source)["train"], root=root)
    inference = infer(table, target=target)
    return {
        "table": table.name,
        "rows": len(table),
        "columns": [asdict(column) for column in inference.columns],
        "notes": list(table.notes),
        "inputs": {n: {"modality": p.modality, "columns": list(p.columns)} for n, p in inference.inputs.items()},
    }
