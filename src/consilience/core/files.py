"""From a media cell (a path under the media root, or bytes) to bytes: the one place that opens users' files."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from consilience.core.errors import BadCell


@lru_cache(maxsize=8)
def _real(root: Path) -> Path:
    """Thousands of cells share a root: its links are followed once. Absolute, for the working directory changes."""
    return Path(os.path.realpath(root))


def resolve(cell: str, root: Path) -> Path:
    """The file a path cell means. Relative paths start at `root`; nothing outside `root` is opened, links included.

    Raises BadCell: a URL, a NUL byte, outside the root, absent, not a file.
    """
    if "\0" in cell:
        raise BadCell("the path contains a NUL byte")
    if "://" in cell[:12]:
        raise BadCell("the cell is a URL; URLs are not fetched")
    path = Path(cell)
    try:
        full = Path(os.path.realpath(path if path.is_absolute() else root / path))
        if not full.is_relative_to(_real(root.absolute())):
            raise BadCell("the path is outside the media root (choose it with --media-root)")
        if not full.exists():
            raise BadCell("no such file")
        if not full.is_file():
            raise BadCell("not a regular file")
    except OSError as error:
        raise BadCell(f"the path cannot be opened: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        raise BadCell("the path is not a valid file name") from error
    return full


def read(cell: str | bytes, *, root: Path, max_bytes: int) -> bytes:
    """The content of a media cell, its size checked before it is read.

    Raises BadCell: everything `resolve` raises, and zero bytes, too many bytes, unreadable.
    """
    if isinstance(cell, bytes):
        content = cell
        if len(content) > max_bytes:
            raise BadCell(f"{len(content):,} bytes; the limit is {max_bytes:,} (limits.bytes)")
    else:
        full = resolve(cell, root)
        try:
            size = full.stat().st_size
            if size > max_bytes:
                raise BadCell(f"{size:,} bytes; the limit is {max_bytes:,} (limits.bytes)")
            content = full.read_bytes()
        except OSError as error:
            raise BadCell(f"the file cannot be read: {error.strerror or error}") from error
    if not content:
        raise BadCell("the file is empty (zero bytes)")
    return content
