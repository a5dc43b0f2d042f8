"""inspect: what a table looks like to the program, before anything is trained."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from consilience.data.infer import infer
from consilience.data.sources import read


def inspect(source: Any, *, target: str | None = None, root: Path | None = None) -> dict[str, Any]:
    """{"table", "rows", "columns": [{name, kind, modality, input, reason, missing, distinct, examples}], "inputs"}."""
    table = read(source, root=root)
    inference = infer(table, target=target)
    return {
        "table": table.name,
        "rows": len(table),
        "columns": [asdict(column) for column in inference.columns],
        "inputs": {n: {"modality": p.modality, "columns": list(p.columns)} for n, p in inference.inputs.items()},
    }
