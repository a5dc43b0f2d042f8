"""What is in a store, and how parts of it go again: whole spaces, the longest unused first. Knows no keys, no values.

A space that anybody has open stays. One that goes is renamed first, so that it is there whole or not at all; what a
killed prune left is removed by the next.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError, UserError
from consilience.data.store import SPACES, Store
from consilience.data.store_files import hold_alone, read_head

_GOING = ".pruned-"


@dataclass(frozen=True, kw_only=True)
class Held:
    """One space as it was when it was looked at."""

    folder: Path
    about: dict[str, Any]
    entries: int
    rows: int
    width: int
    dtype: str
    bytes: int
    """On the disk."""
    used: float
    """When it was last opened, seconds since 1970."""
    open: bool
    """Somebody has it open."""
    damaged: bool
    """It cannot be read any more."""


def look(store: Store) -> list[Held]:
    """All spaces, the longest unused first. Looking is no use of them."""
    found = []
    for folder in _folders(store):
        with suppress(FileNotFoundError):  # it went this very moment
            found.append(_held(folder))
    return sorted(found, key=lambda held: (held.used, held.folder.name))


def left_over(store: Store) -> int:
    """Bytes of what a killed prune left."""
    return sum(_size(folder) for folder in _going(store))


def chosen(spaces: Sequence[Held], *, older_than: float | None, keep_bytes: int | None, now: float) -> list[Held]:
    """Those that are to go: damaged ones, those not used for `older_than` seconds, then the longest unused until
    what stays takes no more than `keep_bytes`. None of those that are open."""
    free = [held for held in spaces if not held.open]
    going = [held for held in free if held.damaged or (older_than is not None and held.used < now - older_than)]
    if keep_bytes is not None:
        staying = sum(held.bytes for held in spaces if held not in going)
        for held in free:
            if staying > keep_bytes and held not in going:
                going.append(held)
                staying -= held.bytes
    return going


def remove(held: Held) -> bool:
    """Whether it went: not if somebody has opened it meanwhile, or removed it."""
    with suppress(FileNotFoundError), hold_alone(held.folder) as alone:
        if not alone:
            return False
        going = held.folder.with_name(f"{_GOING}{held.folder.name}-{os.getpid()}")
        try:
            os.rename(held.folder, going)
            shutil.rmtree(going)
        except OSError as error:
            raise UserError(f"{held.folder}: cannot be removed: {error.strerror or error}") from error
        return True
    return False


def sweep(store: Store) -> None:
    """Remove what a killed prune left."""
    for folder in _going(store):
        shutil.rmtree(folder, ignore_errors=True)


def _folders(store: Store) -> list[Path]:
    root = store.folder / SPACES
    return [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")] if root.is_dir() else []


def _going(store: Store) -> list[Path]:
    return list((store.folder / SPACES).glob(f"{_GOING}*"))


def _held(folder: Path) -> Held:
    head, damaged = None, False
    try:
        head = read_head(folder)
    except DataError:
        damaged = True
    _, entries, rows, width, dtype = head or (0, 0, 0, 0, "")
    about = {}
    with suppress(FileNotFoundError, ValueError):
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    with hold_alone(folder) as alone:
        pass
    return Held(
        folder=folder,
        about=about,
        entries=entries,
        rows=rows,
        width=width,
        dtype=dtype,
        bytes=_size(folder),
        used=(folder / "using").stat().st_mtime,
        open=not alone,
        damaged=damaged,
    )


def _size(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total
