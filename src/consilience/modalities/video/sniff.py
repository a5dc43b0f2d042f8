"""Whether a column holds films: by how its strings end and its bytes begin, and by a look into a few files.

Knows raw cells only; reads headers, decodes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from consilience.core.files import looks_coded
from consilience.modalities import container
from consilience.modalities.base import ColumnSample, looks_like_path, spread
from consilience.modalities.video.load import ENDINGS, KIND

STRENGTH, BY_NAME = 0.96, 0.9
"""Of a claim after a look at the files, a little above that on the sound alone; and of one on their names only."""
SHARE = 0.4
"""Part of the cells that must be films: some of a column of films may be sound alone."""
OPENED = 12
"""Files whose header is read."""


def claim(column: ColumnSample) -> tuple[float, str] | None:
    """Strength and reason of the claim, or None."""
    cells = column.cells
    if not cells or column.numeric:
        return None
    named = column.named(ENDINGS)
    tried = spread(cells, OPENED)
    found = [container.kinds_of(cell, column.root) for cell in tried if _may_lead_there(cell, column)]
    films = sum(KIND in kinds for kinds in found if kinds is not None)
    if films and films >= SHARE * len(tried):
        return STRENGTH, f"{films} of {len(tried)} cells that were looked at hold films"
    read = sum(kinds is not None for kinds in found)
    if read or len(named) < 0.6 * len(cells):
        return None
    if all("://" in cell[:12] for cell in named):
        return BY_NAME, _percent(
            named, cells
        ) + ", but URLs are fetched from hosts that are allowed alone (--allow-url)"
    return BY_NAME, f"{_percent(named, cells)}; of {len(tried)} that were looked at, none can be read"


def _may_lead_there(cell: Any, column: ColumnSample) -> bool:
    """Whether a cell begins like a container of sound or film."""
    if isinstance(cell, str) and not (looks_like_path(cell, None) or looks_coded(cell)):
        return False
    if not column.leads_somewhere(cell):
        return False
    head = container.file_head(cell, column.root)
    return head is not None and container.format_of(head) is not None


def _percent(part: Sequence[Any], whole: Sequence[Any]) -> str:
    return f"{100 * len(part) // len(whole)} % of the cells are paths to films"
