"""Which files are media: asks the modalities, by a look at how the files end and begin. Knows none of them by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from consilience.modalities import MODALITIES
from consilience.modalities.base import ColumnSample

LOOKED_AT = 50


def owners(cells: Mapping[str, Sequence[Any]], root: Path) -> dict[str, str | None]:
    """Of each group of cells, the modality of media that claims it most strongly; None where none does."""
    parts = {name: MODALITIES.load(name)() for name in MODALITIES}
    parts = {name: part for name, part in parts.items() if part.media}
    found: dict[str, str | None] = {}
    for group, members in cells.items():
        step = max(1, len(members) // LOOKED_AT)
        seen = list(members[::step][:LOOKED_AT])
        sample = ColumnSample(name=group, cells=seen, rows=len(members), distinct=len(set(seen)), root=root)
        claims = {name: claim.strength for name, part in parts.items() if (claim := part.sniff(sample)) is not None}
        found[group] = max(claims, key=lambda name: claims[name]) if claims else None
    return found
