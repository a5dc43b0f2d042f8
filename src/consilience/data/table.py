"""A table in memory as the rest of the project sees it: named columns of raw cells. Media stay on disk.

Raw cells are str, int, float, bool, bytes, datetime or None; a CSV cell is always str (an empty one None).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError, unknown


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of equal length by name, where the table came from, and where its relative paths start."""

    columns: Mapping[str, Sequence[Any]]
    name: str
    """For messages: the file, or "DataFrame"."""
    root: Path
    first_line: int = 1
    """What a user calls the first row (2 in a CSV with a header)."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, column: str) -> Sequence[Any]:
        if column not in self.columns:
            raise DataError(f"{self.name}: {unknown('column', column, self.columns)}")
        return self.columns[column]

    def take(self, rows: Sequence[int]) -> Table:
        chosen = {name: [cells[r] for r in rows] for name, cells in self.columns.items()}
        return Table(columns=chosen, name=self.name, root=self.root, first_line=self.first_line)

    def rows(self) -> Iterator[dict[str, Any]]:
        for r in range(len(self)):
            yield {name: cells[r] for name, cells in self.columns.items()}
