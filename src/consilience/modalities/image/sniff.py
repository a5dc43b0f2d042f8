"""Whether a column holds pictures: by how its strings end, by how its bytes begin, and by a look at a few files.

Knows raw cells only; decodes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from consilience.core.files import looks_coded
from consilience.modalities.base import LONGEST_PATH, ColumnSample, spread
from consilience.modalities.image.load import ENDINGS, file_head, picture_format

STRENGTH = 0.95
SHARE = 0.6
"""Part of the cells that must look like pictures."""
OPENED = 20
"""Files whose first bytes are read."""


def claim(column: ColumnSample) -> tuple[float, str] | None:
    """Strength and reason of the claim, or None."""
    cells = column.cells
    if not cells or column.numeric:
        return None
    named = column.named(ENDINGS)
    held = [cell for cell in cells if isinstance(cell, bytes) and picture_format(cell[:32])]
    if len(named) + len(held) >= SHARE * len(cells):
        if not named:
            return STRENGTH, f"{_percent(held, cells)} of the cells are the bytes of pictures"
        what = "paths to pictures" if not held else "paths to pictures or the bytes of pictures"
        return STRENGTH, f"{_percent(named + held, cells)} of the cells are {what}{_opened(named, column)}"
    # Names without an ending (content hashes, say) still lead to pictures; a few files tell.
    tried = spread(cells, OPENED)
    pictures = [cell for cell in tried if _leads_to_picture(cell, column)]
    if pictures and len(pictures) >= SHARE * len(tried):
        return STRENGTH, f"{len(pictures)} of {len(tried)} cells that were looked at lead to pictures"
    return None


def _opened(named: Sequence[str], column: ColumnSample) -> str:
    """What a look at a few of the files adds to the reason."""
    tried = spread(named, OPENED)
    if all("://" in cell[:12] for cell in tried):
        return ", but they are URLs, which are fetched from hosts that are allowed alone (--allow-url HOST)"
    heads = [file_head(cell, column.root) for cell in tried]
    found = [head for head in heads if head is not None]
    text = f"; of {len(tried)} that were looked at, {len(found)} exist under {column.root}"
    odd = sum(picture_format(head) is None for head in found)
    return text + (f" and {odd} of these are not pictures" if odd else "")


def _leads_to_picture(cell: Any, column: ColumnSample) -> bool:
    if isinstance(cell, bytes):
        return picture_format(cell[:32]) is not None
    if not isinstance(cell, str) or not cell.strip():
        return False
    if (len(cell) > LONGEST_PATH or "\n" in cell) and not looks_coded(cell):
        return False
    if not column.leads_somewhere(cell):
        return False
    head = file_head(cell, column.root)
    return head is not None and picture_format(head) is not None


def _percent(part: Sequence[Any], whole: Sequence[Any]) -> str:
    return f"{100 * len(part) // len(whole)} %"
