"""From a media cell to bytes: a path from the media root, a data URL, base64, bytes, or a place in another file.

The one file that opens users' media. Refuses to know what they hold.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote, unquote_to_bytes

from consilience.core.arguments import expect, path_of
from consilience.core.errors import BadCell, UserError

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # the class of paths on this machine, which alone can be derived from before Python 3.12

_SHORTEST = 64
"""Characters from which base64 without a `data:` before it is told from a word; a picture has more."""
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*|[A-Za-z0-9_\-\s]+={0,2}\s*")
_HEX = re.compile(r"[0-9a-fA-F\s]+")
_DRIVE = re.compile(r"\s*[A-Za-z]:[\\/]")
_POINTERS = {
    b"version https://git-lfs": "a Git LFS pointer, not the file itself; get its content first (git lfs pull)",
    b"/annex/objects/": "a git-annex pointer, not the file itself; get its content first (git annex get)",
}
_POINTER_BYTES = 1024
_DATA_URL = re.compile(r"data:[\w.+-]*(/[\w.+-]*)?(;[^,]{0,200})?,", re.IGNORECASE)


class Stored(str):
    """A cell whose content lies in another file: some bytes of a shard, or what was fetched for a URL.

    As text it is a name for people, and equal to others of that name. It travels to worker processes as it is; whoever
    made it vouches for the file, which need not lie under the media root.
    """

    __slots__ = ("file", "offset", "problem", "size")

    file: str
    offset: int
    size: int
    problem: str | None
    """Why there is no content, where there is none."""

    def __new__(cls, name: str, file: str = "", offset: int = 0, size: int = 0, problem: str | None = None) -> Stored:
        self = super().__new__(cls, name)
        self.file, self.offset, self.size, self.problem = file, offset, size, problem
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Stored, (str(self), self.file, self.offset, self.size, self.problem)

    def open(self) -> BinaryIO:
        """The content, read from where it lies when it is asked for. Raises BadCell, OSError."""
        if self.problem is not None:
            raise BadCell(self.problem)
        return cast(BinaryIO, io.BufferedReader(_Window(self.file, self.offset, self.size)))


class _Window(io.RawIOBase):
    """Some bytes of a file as a file of their own."""

    def __init__(self, file: str, offset: int, size: int) -> None:
        self._file = open(file, "rb", buffering=0)  # noqa: SIM115 - closed with this object
        self._offset, self._size, self._at = offset, size, 0

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._offset + self._at)
        count = self._file.readinto(view[: max(0, self._size - self._at)])
        self._at += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


class Followed(_Path):
    """The media root of a table that is the user's own: absolute paths, `..` and links may lead out of it.

    Any other `Path` is left by nothing, which is what a server needs. So a root that loses its class on the way refuses
    too much, never too little.
    """


class Confined(_Path):
    """A media root that the user wants kept to: `followed` leaves it as it is."""


def media_root(folder: str | os.PathLike[str] | None, *, confine: bool) -> Path | None:
    """What the user said of where paths start. Raises UserError for `confine` without a folder."""
    expect("confine", confine, bool, "True or False; the folder to keep to is the media root")
    if folder is None:
        if confine:
            raise UserError("--confine keeps to the folder given with --media-root; name that folder too")
        return None
    given = path_of("media root", folder)
    return Confined(given) if confine else given


def followed(root: Path) -> Path:
    """The root of a user's own table."""
    return root if isinstance(root, Confined | Followed) else Followed(root)


@lru_cache(maxsize=8)
def _real(root: Path) -> Path:
    """Thousands of cells share a root: its links are followed once. Absolute, for the working directory changes."""
    return Path(os.path.realpath(root))


def resolve(cell: str, root: Path) -> Path:
    """The file a path cell means. Relative paths start at `root`; nothing outside `root` is opened, links included,
    unless it is `Followed`.

    A path that leads nowhere as it is written is looked for as people mean it: without blanks or quotes around it, with
    slashes for backslashes, with accents composed otherwise, in other letter case; but only where one file fits.
    Raises BadCell: a URL, a NUL byte, outside the root, absent, not a file.
    """
    if "\0" in cell:
        raise BadCell("the path contains a NUL byte")
    if "://" in cell[:12] and not cell.lstrip().lower().startswith("file://"):
        raise BadCell("the cell is a URL; URLs are not fetched unless their host is allowed (--allow-url HOST)")
    try:
        for written in _spellings(cell):
            full = _inside(written, root)
            if full.exists():
                break
        else:
            full = _lookalike(written, root)
        if not full.is_file():
            raise BadCell("not a regular file")
    except OSError as error:
        raise BadCell(f"the path cannot be opened: {error.strerror or error}") from error
    except ValueError as error:  # half a character, or a NUL byte written as %00
        raise BadCell("the path is not a valid file name") from error
    return full


def _inside(written: str, root: Path) -> Path:
    """The path without links; BadCell where it may not be opened."""
    path = Path(written)
    full = Path(os.path.realpath(path if path.is_absolute() else root / path))
    if not isinstance(root, Followed) and not full.is_relative_to(_real(root.absolute())):
        raise BadCell("the path is outside the media root (choose it with --media-root)")
    return full


def _spellings(cell: str) -> Iterator[str]:
    """As it is written, and without what surrounds a path where people copy it from."""
    yield cell
    plain = cell.strip().strip("\ufeff\u200b").strip()
    if len(plain) > 2 and plain[0] == plain[-1] and plain[0] in "\"'":
        plain = plain[1:-1].strip()
    if plain.lower().startswith("file://"):
        plain = unquote(plain[7:].removeprefix("localhost"))
    if plain != cell:
        yield plain
    if "\\" in plain:
        yield (plain := plain.replace("\\", "/"))
    if "%" in plain:
        yield unquote(plain)


def _lookalike(written: str, root: Path) -> Path:
    """The one file whose path reads the same, folder by folder. BadCell where there is none, or more than one.

    Behind a link that leads out of a root that is kept to, nothing is looked up.
    """
    here, parts = _way(Path(written), root)
    for name in parts:
        if not isinstance(root, Followed):
            _inside(str(here), root)
        if name in (os.curdir, os.pardir) or os.path.lexists(here / name):
            here = here / name
            continue
        alike = _entries(here).get(_folded(name), ()) if os.path.isdir(here) else ()
        if len(alike) > 1:
            raise BadCell(f"no such file; {len(alike)} files of nearly that name are there")
        if not alike:
            raise BadCell("no such file" + _hint(written, here / name, root))
        here = here / alike[0]
    if os.path.islink(here) and not here.exists():
        raise BadCell(
            "the link leads to a file that is not there; get its content first (dvc pull, git annex get, or download "
            "the data set again)"
        )
    return _inside(str(here.absolute()), root)


def _way(path: Path, root: Path) -> tuple[Path, tuple[str, ...]]:
    """Where to begin, and the names to go through from there: of a root that is kept to, from it and without `..`."""
    if isinstance(root, Followed):
        return (Path(path.anchor), path.parts[1:]) if path.is_absolute() else (root, path.parts)
    base = Path(os.path.abspath(root))
    full = Path(os.path.normpath(base / path))
    if not full.is_relative_to(base):
        raise BadCell("no such file")
    return base, full.relative_to(base).parts


def _hint(written: str, absent: Path, root: Path) -> str:
    """What may help to find the file, as far as it can be told at once. Names places only where any may be opened."""
    if _DRIVE.match(written):
        return " (a path of a Windows drive)"
    if os.path.exists(f"{absent}.dvc"):
        return "; DVC keeps it elsewhere: get it first (dvc pull)"
    if not isinstance(root, Followed) or os.path.isabs(written):
        return ""
    above, name = Path(os.path.abspath(root)).parent, os.path.basename(written)
    if (above / written).is_file():
        return f" under the media root, but there is under {above} (--media-root {above})"
    if name != written and (root / name).is_file():
        return ", but one of that name lies in the media root itself, without folders before it"
    for folder in _folders(os.path.abspath(root)):
        if (folder / name).is_file():
            return f" under the media root, but one of that name is in {folder} (--media-root {folder})"
    return ""


@lru_cache(maxsize=8)
def _folders(root: str) -> tuple[Path, ...]:
    """The first folders in the root: enough for a hint."""
    with os.scandir(root) as entries:
        some = [Path(entry) for entry, _ in zip(entries, range(1_000), strict=False) if entry.is_dir()]
    return tuple(sorted(some)[:20])


def _entries(folder: Path) -> dict[str, tuple[str, ...]]:
    return _listed(str(folder), os.stat(folder).st_mtime_ns)


@lru_cache(maxsize=64)
def _listed(folder: str, changed: int) -> dict[str, tuple[str, ...]]:
    """Names in a folder by how they read; listed once until the folder changes."""
    found: dict[str, tuple[str, ...]] = {}
    for name in os.listdir(folder):
        found[_folded(name)] = (*found.get(_folded(name), ()), name)
    return found


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def open_cell(cell: str | bytes, root: Path, max_bytes: int | None = None, *, max_file: int | None = None) -> BinaryIO:
    """The content of a media cell as an open file that can seek; close it. Raises BadCell, OSError.

    max_bytes: more is refused before anything is read or decoded. max_file: instead of it, for what lies in a file and
    will be read piece by piece.
    """
    if isinstance(cell, Stored):
        _check_file(cell.size, max_bytes, max_file)
        return cell.open()
    if isinstance(cell, bytes):
        _check(len(cell), max_bytes)
        return io.BytesIO(cell)
    if (held := inline(cell, root, max_bytes)) is not None:
        return io.BytesIO(held)
    full = resolve(cell, root)
    size = full.stat().st_size
    _check_file(size, max_bytes, max_file)
    file = full.open("rb")
    if size < _POINTER_BYTES:
        head = file.read(32)
        for begin, reason in _POINTERS.items():
            if head.startswith(begin):
                file.close()
                raise BadCell(reason)
        file.seek(0)
    return file


def read(cell: str | bytes, *, root: Path, max_bytes: int) -> bytes:
    """The content of a media cell, its size checked before it is read.

    Raises BadCell: everything `resolve` raises, and zero bytes, too many bytes, not base64, unreadable.
    """
    if isinstance(cell, bytes):
        _check(len(cell), max_bytes)
        content = cell
    else:
        try:
            with open_cell(cell, root, max_bytes) as file:
                content = file.read()
        except OSError as error:
            raise BadCell(f"the file cannot be read: {error.strerror or error}") from error
        if isinstance(cell, Stored) and len(content) < cell.size:
            raise BadCell(f"cut off: {len(content):,} of {cell.size:,} bytes are there")
    if not content:
        raise BadCell("the file is empty (zero bytes)")
    return content


def inline(cell: str, root: Path, max_bytes: int | None = None) -> bytes | None:
    """What a cell that is a data URL or base64 holds; None of any other, such as a path. Raises BadCell.

    Base64 without `data:` before it has at least 64 characters, and is no file of that name.
    """
    if cell[:5].lower() == "data:":
        if (head := _DATA_URL.match(cell)) is None:
            raise BadCell("the data URL has no comma after its media type")
        body = cell[head.end() :]
        _check(len(body) * 3 // 4, max_bytes)
        coded = (head.group(2) or "").lower().endswith(";base64")
        return _decode(body, "the data URL") if coded else unquote_to_bytes(body)
    if not looks_coded(cell):
        return None
    if len(cell) <= 4096:  # the longest path there is
        try:
            resolve(cell, root)
        except BadCell:
            pass
        else:
            return None
    _check(len(cell) * 3 // 4, max_bytes)
    return _decode(cell, "the base64 text")


def looks_coded(cell: str) -> bool:
    """Whether a cell is a data URL or written in base64. A path with a dot is not, nor is a hash in hexadecimal."""
    if cell[:5].lower() == "data:":
        return _DATA_URL.match(cell) is not None
    if len(cell) < _SHORTEST or _BASE64.fullmatch(cell[:_SHORTEST]) is None:
        return False
    letters = sum(map(len, cell.split()))
    words = len(cell.split(None, letters // 32 + 1))  # base64 is at most broken into lines of 64 or 76
    return words <= letters // 32 + 1 and not _HEX.fullmatch(cell) and _BASE64.fullmatch(cell) is not None


def _decode(text: str, what: str) -> bytes:
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCell(f"{what} is damaged or cut off: it cannot be decoded") from error


def _check_file(size: int, max_bytes: int | None, max_file: int | None) -> None:
    if max_file is None:
        _check(size, max_bytes)
    else:
        _check(size, max_file, "limits.stream_bytes")


def _check(size: int, most: int | None, limit: str = "limits.bytes") -> None:
    if most is not None and size > most:
        raise BadCell(f"{size:,} bytes; the limit is {most:,} ({limit})")
