"""Whether something can be written somewhere, found out before the work that is to be written, and what to say of a
file system that refuses. Knows no format."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from consilience.core.errors import UserError

_ADVICE = {
    errno.ENOSPC: "free some space on this disk, or write to another",
    errno.EDQUOT: "your quota on this disk is used up; write to another",
    errno.EROFS: "this file system is read-only; write to another",
    errno.EACCES: "you may not write there; choose another place, or change its permissions",
    errno.EPERM: "you may not write there; choose another place, or change its permissions",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another place",
    errno.EEXIST: "something of this name is there already; choose another name",
    errno.EISDIR: "this is a folder; give the name of a file",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter one",
    errno.ENOENT: "a part of this path is not there; make the folder, or choose another place",
    errno.EFBIG: "the file is too large for this file system; write to another",
    errno.EIO: "the disk reports a fault; write to another",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
    errno.ELOOP: "the links of this path lead in a circle; choose another place",
}


def refusal(error: OSError) -> str | None:
    """What the system refused, where, and what to do; None of an error that says nothing about files."""
    advice = _ADVICE.get(error.errno or 0)
    if advice is None:
        return None
    where = error.filename2 or error.filename
    said = error.strerror or str(error)
    return f"{os.fsdecode(where)}: {said}: {advice}" if isinstance(where, str | bytes) else f"{said}: {advice}"


def check_writable(path: str | os.PathLike[str], flag: str, *, folder: bool = False) -> Path:
    """The path, if a file (with `folder`, a folder) can be written there. Raises UserError naming `flag`, with what to
    do."""
    path = Path(path)
    try:
        there = path.exists()
        if not folder and path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if folder and path.is_symlink() and not there:
            raise UserError(f"{flag} {path}: this is a link that leads nowhere; choose another place")
        parent = path if there else path.parent
        while not parent.exists():  # what is missing on the way is made
            if parent.is_symlink():
                raise UserError(f"{flag} {path}: {parent} is a link that leads nowhere; choose another place")
            if parent == parent.parent:
                break
            parent = parent.parent
        if not there and not parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent))
        if not os.access(parent, os.W_OK | (os.X_OK if parent.is_dir() else 0)):
            code = errno.EROFS if _is_read_only(parent) else errno.EACCES
            raise OSError(code, os.strerror(code), str(parent))
        longest = os.pathconf(parent, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
        for name in path.parts:
            if len(os.fsencode(name)) > longest - _SUFFIX:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), f"{name[:40]}…")
    except OSError as error:
        raise UserError(f"{flag} {refusal(error) or error}") from error
    return path


_SUFFIX = 24
"""Bytes that names of files beside it are longer (`.NAME.….tmp`, `NAME.bad_cells.csv`)."""


def _is_read_only(folder: Path) -> bool:
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
