"""export: a run or bundle -> a folder that predicts without torch, checked against the original's golden answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from consilience.bundle import golden
from consilience.bundle.load import load
from consilience.bundle.manifest import MANIFEST, find, unseal
from consilience.bundle.save import rewrite
from consilience.core.errors import ExportError, UserError, unknown
from consilience.core.writable import check_writable
from consilience.export import TARGETS

TOLERANCE = 1e-4
"""Largest difference of a probability (or, for numbers, of the value over its spread) that counts as equal, fp32."""


def export(run: Path, *, to: str, out: Path | None, verify: bool) -> dict[str, Any]:
    """Returns {"out", "files": {name: sha256}, "bytes", "max_difference"}. The golden rows go through the folder as it
    was written; with `verify`, a difference over the tolerance is an ExportError."""
    if to not in TARGETS:
        raise UserError(f"--to: {unknown('export target', to, TARGETS)}")
    source = find(run)
    folder = check_writable(out if out is not None else source.parent / f"export-{to}", "--out", folder=True)
    if folder.resolve() == source.resolve():
        raise UserError(f"{folder}: this is the bundle itself; choose another --out")
    if not _free(folder):
        raise UserError(f"{folder}: exists and is no exported folder; choose another --out")
    original = load(source)
    member = TARGETS.load(to)(original)
    rewrite(replace(original, member=member), source, folder, about={"export": {"target": to}})
    difference = golden.difference(folder / "golden.safetensors", load(folder))
    if verify and not difference <= TOLERANCE:
        raise ExportError(
            f"{folder}: answers to the golden rows differ from the original's by {difference:.2g}, over the tolerance "
            f"of {TOLERANCE:.0e}; do not use this folder, and report the model's config"
        )
    files = unseal(folder)["files"]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"out": str(folder), "files": files, "bytes": size, "max_difference": difference}


def _free(folder: Path) -> bool:
    """Whether nothing would be lost there: it is not there, is empty, or is an earlier export (never a bundle)."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and "export" in found
