"""What a fit leaves behind, as the command line and Python both tell it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What `fit` leaves behind."""

    run: Path
    """The run folder: bundle, report.html, leaderboard.json, bad_cells.csv and more."""
    leaderboard: list[dict[str, Any]]
    """The chosen entry, then the others, best first, on validation rows: {name, preset, fusion, inputs, metrics,
    cpu_seconds, ms_per_row}."""
    best: str
    """Name of the entry that was chosen."""
    test: dict[str, Any] | None
    """Metrics of the chosen entry on test rows; None when there are none."""
    warnings: tuple[str, ...]
    """What a user should know: leaks, lopsided splits, bad cells."""
    bad_cells: int
    """Cells that could not be used and were taken as missing."""
    interrupted: bool = False
    """Ctrl-C ended the search; what was found by then was chosen from."""
    audit: dict[str, Any] | None = None
    """What the short audit found (docs/audit.md); None when it was left out."""

    def json(self) -> dict[str, Any]:
        """The contract of `fit --json`."""
        return {"run": str(self.run), "leaderboard": self.leaderboard, "best": self.best, "test": self.test}
