"""Whether the files of a table are the ones they were: their size, when they changed, what they hold.

Reads bytes, knows no format. Of a folder, the names and sizes of its files are what it holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError
from consilience.data.sources.paths import expand, is_path

Fingerprint = dict[str, Any]
"""JSON: size, changed (nanoseconds), sha256."""


def files(source: Any) -> list[Path] | None:
    """The files and folders that a path, a pattern or a list of them means, absolute; None of a table in memory."""
    if not is_path(source):
        return None
    try:
        return [path.absolute() for path in expand(source)]
    except DataError:  # nothing is there: whoever reads it says so
        return []


def fingerprint(path: Path) -> Fingerprint:
    stat = path.stat()
    return {"size": stat.st_size, "changed": stat.st_mtime_ns, "sha256": _digest(path)}


def changed(path: Path, was: Mapping[str, Any]) -> str | None:
    """What is not as it was, in words. A file of the same size and moment is taken to be the same; one that was copied
    or touched is read."""
    if not path.exists():
        return "is not there any more"
    stat = path.stat()
    if path.is_file() and (stat.st_size, stat.st_mtime_ns) == (was["size"], was["changed"]):
        return None
    return None if _digest(path) == was["sha256"] else "has changed since"


def _digest(path: Path) -> str:
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    names = sorted((str(p.relative_to(path)), p.stat().st_size) for p in path.rglob("*") if p.is_file())
    return hashlib.sha256(repr(names).encode("utf-8", "surrogatepass")).hexdigest()
