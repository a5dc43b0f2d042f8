"""Whether a column holds sound: by how its strings end and its bytes begin, and by a look into a few files.

Knows raw cells only; reads headers, decodes nothing. In a column of films it claims the sound beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consilience.core.files import looks_coded
from consilience.modalities import container
from consilience.modalities.audio.load import ENDINGS, KIND
from consilience.modalities.base import ColumnSample, looks_like_path, spread

STRENGTH, PART = 0.95, 0.3
"""Of a claim on a column of sounds; of a claim on the sound of somebody else's column."""
SHARE = 0.6
"""Part of the cells that must look like sound."""
FILMS = 0.4
"""Part of the sounds that must be those of films for the column to be somebody else's."""
OPENED = 12
"""Files whose header is read."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a few cells turned out to hold."""

    tried: int
    read: int
    heard: int
    """Sound and nothing to look at."""
    both: int


def claim(column: ColumnSample) -> tuple[float, str, bool] | None:
    """Strength, reason, and whether the claim is on the sound of films only; or None."""
    cells = column.cells
    if not cells or column.numeric:
        return None
    named = column.named(ENDINGS)
    # Names say little here: .ogg and .webm may be films, and content hashes may be anything.
    chosen = [cell for cell in spread(cells, OPENED) if _may_lead_there(cell, column)]
    if not named and not chosen:
        return None
    look = look_at(chosen, column)
    if look.both and look.both >= FILMS * (look.both + look.heard):
        return PART, f"{look.both} of {look.tried} films that were looked at have a sound track", True
    if len(named) >= SHARE * len(cells):
        return (
            STRENGTH,
            f"{_percent(named, cells)} of the cells are paths to sounds{_opened(look, named, column)}",
            False,
        )
    if look.heard and look.heard >= SHARE * min(len(cells), OPENED):
        return STRENGTH, f"{look.heard} of {min(len(cells), OPENED)} cells that were looked at hold sound", False
    return None


def look_at(cells: Sequence[Any], column: ColumnSample) -> Look:
    found = [container.kinds_of(cell, column.root) for cell in cells]
    kinds = [set(kind) for kind in found if kind is not None]
    heard = sum(kind == {KIND} for kind in kinds)
    both = sum(KIND in kind and len(kind) > 1 for kind in kinds)
    return Look(tried=len(cells), read=len(kinds), heard=heard, both=both)


def _may_lead_there(cell: Any, column: ColumnSample) -> bool:
    """Whether a cell begins like a container of sound or film."""
    if isinstance(cell, str) and not (looks_like_path(cell, None) or looks_coded(cell)):
        return False
    if not isinstance(cell, str | bytes):
        return False
    if not column.leads_somewhere(cell):
        return False
    head = container.file_head(cell, column.root)
    return head is not None and container.format_of(head) is not None


def _opened(look: Look, named: Sequence[str], column: ColumnSample) -> str:
    """What a look at a few of the files adds to the reason."""
    if all("://" in cell[:12] for cell in named[:OPENED]):
        return ", but they are URLs, which are fetched from hosts that are allowed alone (--allow-url HOST)"
    return (
        f"; of {min(len(named), OPENED)} that were looked at, {look.heard + look.both} hold sound under {column.root}"
    )


def _percent(part: Sequence[Any], whole: Sequence[Any]) -> str:
    return f"{100 * len(part) // len(whole)} %"
