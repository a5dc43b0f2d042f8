"""WebDataset shards: a tar file whose neighbouring members `key.jpg`, `key.txt`, `key.json` are one row.

Only headers and short texts are read; media stay in the shard and are read from their place in it when they are needed.
Nothing is unpacked and no member's name is ever used as a path. (Format: github.com/webdataset/webdataset, FAQ and
`tariterators.py` say how names become keys: up to the first dot of the last part.)
"""

from __future__ import annotations

import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from consilience.core.errors import DataError
from consilience.core.files import Stored
from consilience.data.rows import Rows
from consilience.data.sources.text import is_packed
from consilience.data.table import Table

KEY = "__key__"
TEXTS = ("txt", "caption", "transcript", "cls", "cls2", "index", "id")
"""Endings of members that are read as text; of .json the fields are; all others stay where they are."""
LONGEST = 4_000_000
"""Bytes of a text or JSON member that are read; a longer text is cut there, which is beyond what a cell may hold."""
RATIO, ENOUGH = 200, 2_000_000_000
"""A packed shard may grow by this factor, or to this many bytes, and not beyond both."""


@dataclass
class _Sample:
    key: str
    row: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Told:
    """What happened on the way."""

    last: str | None = None
    cut: str | None = None
    skipped: int = 0
    within: str | None = None
    """The key of the member whose content is not all there."""


def read(path: Path, *, root: Path, encoding: str = "utf-8") -> Table:
    """One row per key, with a column per ending, one per field of a .json member, and `__key__`.

    Of a shard that is cut off, the rows that are whole are used; a note says after which key it ends. Raises DataError:
    not a tar file, a JSON member that is none, two members of one key and ending.
    """
    unpacked = _unpack(path) if is_packed(path) else None
    place = _Place(path, unpacked)
    where = Path(unpacked.name) if unpacked is not None else path
    rows, told, size = Rows(), _Told(), where.stat().st_size
    with where.open("rb") as file:
        for sample in _samples(file, size, path, where, told):
            rows.add({KEY: sample.key, **sample.row})
            told.last = sample.key
    after = f"after key {told.last!r}" if told.last is not None else "before its first row was whole"
    notes = [f"{path}: {told.cut} {after}; its {rows.count:,} whole rows are used"] if told.cut else []
    if told.skipped:
        notes.append(f"{path}: {told.skipped:,} members are links, devices or hidden and were left out")
    columns = rows.columns(place)
    return Table(columns=columns, name=str(path), root=root, labels=(KEY,) * (KEY in columns), notes=tuple(notes))


class _Place:
    """What a row is called. The columns hold this object, and with it the unpacked shard, for as long as they live."""

    def __init__(self, path: Path, unpacked: Any) -> None:
        self._path = path
        if unpacked is not None:
            weakref.finalize(self, unpacked.close)

    def __call__(self, row: int) -> str:
        return f"{self._path}, row {row + 1}"


def _samples(file: BinaryIO, size: int, path: Path, where: Path, told: _Told) -> Iterator[_Sample]:
    current: _Sample | None = None
    for member in _members(file, size, path, told):
        if member is None:
            if current is not None and told.within not in (None, current.key):
                yield current
            return  # else the last key may lack members
        key, ending = _key(member.name)
        if current is None or current.key != key:
            if current is not None:
                yield current
            current = _Sample(key)
        for name, value in _cells(member, ending, file, path, where):
            if name in current.row:
                raise DataError(
                    f"{path}: key {key!r} has two values for {name!r} (member {member.name!r}); each ending and each "
                    "field of its .json may come once"
                )
            current.row[name] = value
    if current is not None:
        yield current


def _members(file: BinaryIO, size: int, path: Path, told: _Told) -> Iterator[tarfile.TarInfo | None]:
    """Regular members whose content is all there; then None when the file ends before its end mark."""
    try:
        tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the caller closes the file
    except tarfile.TarError as error:
        what = "the file is empty (zero bytes)" if not size else f"not a readable tar file ({error})"
        raise DataError(f"{path}: {what}; fetch or write it again, or leave it out") from error
    before = -1
    while True:
        try:
            member = tar.next()
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            told.cut = "cut off" if "unexpected end" in str(error) or "truncated" in str(error) else "damaged"
            yield None
            return
        if member is None:
            if not _ends(file, tar.offset, size):
                told.cut = "cut off" if size - tar.offset < tarfile.BLOCKSIZE else "damaged"
                yield None
            return
        tar.members = []  # type: ignore[attr-defined] # a long shard would pile them up
        if member.offset <= before or member.size < 0:
            told.cut = "damaged"
            yield None
            return
        before = member.offset
        if member.isdir():
            continue
        if not member.isreg() or member.sparse or _hidden(member.name):
            told.skipped += 1
        elif member.offset_data + member.size > size:
            told.cut, told.within = "cut off", _key(member.name)[0]
            yield None
            return
        else:
            yield member


def _ends(file: BinaryIO, offset: int, size: int) -> bool:
    """Whether a block of zeros, the end mark, stands where reading stopped (tarfile stops after it, or before junk)."""
    for place in (offset - tarfile.BLOCKSIZE, offset):
        if 0 <= place < size:
            file.seek(place)
            block = file.read(tarfile.BLOCKSIZE)
            if len(block) == tarfile.BLOCKSIZE and not block.strip(b"\0"):
                return True
    return False


def _key(name: str) -> tuple[str, str]:
    """ "a/b.c.png" -> ("a/b", "c.png")."""
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return f"{folder}{slash}{stem}", ending.lower() or "file"


def _hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith((".", "__"))


def _cells(member: tarfile.TarInfo, ending: str, file: BinaryIO, path: Path, where: Path) -> Iterator[tuple[str, Any]]:
    last = ending.rpartition(".")[2]
    if last == "json":
        yield from _fields(_content(member, file), member, path)
    elif last in TEXTS:
        content = _content(member, file)
        yield ending, content.decode("utf-8") if _readable(content) else content
    else:
        yield ending, Stored(f"{path.name}/{member.name}", str(where.absolute()), member.offset_data, member.size)


def _content(member: tarfile.TarInfo, file: BinaryIO) -> bytes:
    file.seek(member.offset_data)
    return file.read(min(member.size, LONGEST))


def _readable(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _fields(content: bytes, member: tarfile.TarInfo, path: Path) -> Iterator[tuple[str, Any]]:
    from consilience.data.sources.jsonl import row_of

    place = f"{path}, member {member.name!r}"
    if len(content) < member.size:
        raise DataError(f"{place}: {member.size:,} bytes of JSON; at most {LONGEST:,} are read. Leave the member out")
    try:
        yield from row_of(content.decode("utf-8"), place).items()
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 text (at byte {error.start}); save it as UTF-8") from error


def _unpack(path: Path) -> Any:
    """A packed shard, unpacked once to a temporary file: a member of a packed one cannot be read by its place."""
    target = tempfile.NamedTemporaryFile(prefix="consilience-", suffix=".tar")  # noqa: SIM115 - lives with the table
    most = max(RATIO * path.stat().st_size, ENOUGH)
    try:
        for block in _inflated(path):
            target.write(block)
            if target.tell() > most:
                raise DataError(
                    f"{path}: unpacked it is larger than {most:,} bytes, {RATIO} times its size: it looks made to fill "
                    "the disk. Unpack it yourself if it is meant to be so"
                )
    except zlib.error as error:
        target.close()
        raise DataError(f"{path}: not a gzip file, or a damaged one: {error}") from error
    except BaseException:
        target.close()
        raise
    target.flush()
    return target


def _inflated(path: Path) -> Iterator[bytes]:
    """What can be unpacked. Of a file that is cut off, all that is there (gzip.open would keep its last part back)."""
    inflate, rest = zlib.decompressobj(wbits=31), b""
    with path.open("rb") as file:
        while rest or (rest := file.read(1 << 16)):
            if inflate.eof:  # a gzip file may be several, one after the other
                inflate = zlib.decompressobj(wbits=31)
            yield inflate.decompress(rest, 1 << 20)
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
