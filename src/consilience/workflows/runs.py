"""Run folders: names for new ones, and never two runs in one."""

from __future__ import annotations

import datetime
from pathlib import Path

from consilience.core.errors import UserError


def new_run(out: str | Path | None) -> Path:
    """The folder of a new run: `out`, which must be empty or new, or a dated one under runs/."""
    if out is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
            folder = Path("runs") / f"{stamp}{suffix}"
            if not folder.exists():
                return folder
    folder = Path(str(out))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: exists and is not empty. Choose another --out, or remove it.")
    return folder
