"""store info, store prune: what an encode-once store holds, and making room in it."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from consilience.core.errors import UserError
from consilience.core.progress import Reporter
from consilience.data import prune as pruning
from consilience.data.prune import Held
from consilience.data.store import Store

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
          "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}  # fmt: skip


def info(folder: Path) -> dict[str, Any]:
    """{"store", "spaces": [{"fingerprint", "what", "of", "entries", "rows", "width", "dtype", "bytes", "last_used",
    "open", "damaged", "about"}], "entries", "bytes", "left_over_bytes"}, the longest unused space first."""
    store = Store(folder, begin=False)
    spaces = pruning.look(store)
    return {
        "store": str(store.folder),
        "spaces": [_line(held) for held in spaces],
        "entries": sum(held.entries for held in spaces),
        "bytes": sum(held.bytes for held in spaces),
        "left_over_bytes": pruning.left_over(store),
    }


def prune(
    folder: Path, *, older_than: float | None, keep_bytes: int | None, really: bool, reporter: Reporter
) -> dict[str, Any]:
    """Remove spaces that were not used for `older_than` seconds, and the longest unused until at most `keep_bytes` are
    left; also damaged ones, and what a killed prune left. Without `really`, only say which.

    {"store", "removed": [lines as of `info`], "freed_bytes", "kept_bytes", "open": how many stay only because somebody
    has them open, "dry_run"}.
    """
    if older_than is None and keep_bytes is None:
        raise UserError("say what may go: --older-than 30d, --keep-bytes 2GB, or both")
    store = Store(folder, begin=False)
    spaces = pruning.look(store)
    going = pruning.chosen(spaces, older_than=older_than, keep_bytes=keep_bytes, now=time.time())
    freed = pruning.left_over(store)
    if really:
        pruning.sweep(store)
        going = _removed(going, reporter)
    return {
        "store": str(store.folder),
        "removed": [_line(held) for held in going],
        "freed_bytes": freed + sum(held.bytes for held in going),
        "kept_bytes": sum(held.bytes for held in spaces if held not in going),
        "open": sum(held.open for held in spaces),
        "dry_run": not really,
    }


def _removed(going: Sequence[Held], reporter: Reporter) -> list[Held]:
    done = []
    with reporter.bar("removing", len(going)) as advance:
        for number, held in enumerate(going, 1):
            if pruning.remove(held):
                done.append(held)
            else:
                reporter.say(f"{held.folder.name[:16]}: somebody has opened it meanwhile; it stays")
            advance(number, "")
    return done


def _line(held: Held) -> dict[str, Any]:
    about = held.about
    return {
        "fingerprint": held.folder.name,
        "what": "damaged" if held.damaged else str(about.get("what", "")),
        "of": str(about.get("name") or about.get("modality") or ""),
        "entries": held.entries,
        "rows": held.rows,
        "width": held.width,
        "dtype": held.dtype,
        "bytes": held.bytes,
        "last_used": datetime.datetime.fromtimestamp(held.used).astimezone().isoformat(timespec="seconds"),
        "open": held.open,
        "damaged": held.damaged,
        "about": about,
    }


def parse_age(text: str) -> float:
    """ "30d", "12h" or "90s" -> seconds."""
    seconds = _times(text, _SECONDS)
    if seconds is None:
        raise UserError(f"--older-than {text!r}: write a number with s, m, h, d or w, for example 30d")
    return seconds


def parse_bytes(text: str) -> int:
    """ "2GB", "500 MiB" or "1000000" -> bytes."""
    size = _times(text, _BYTES)
    if size is None:
        raise UserError(f"--keep-bytes {text!r}: write a number of bytes, or one with kB, MB, GB, MiB, GiB, e.g. 2GB")
    return int(size)


def _times(text: str, units: dict[str, int]) -> float | None:
    plain = text.strip().lower()
    number = plain.rstrip("abcdefghijklmnopqrstuvwxyz ")
    try:
        value = float(number) * units[plain[len(number) :].strip()]
    except (KeyError, ValueError):
        return None
    return value if 0 <= value < float("inf") else None
