"""Cells that are read once, kept as bytes: in memory up to a limit, beyond it in a temporary file.

One block of rows of one column is one piece. Knows no file format: how cells become bytes is the caller's business.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from consilience.core.files import Stored
from consilience.data.table import BLOCK, LazyColumn

MEMORY = 64_000_000
"""Bytes of all columns of all spools kept in memory; what comes later goes to a file."""

Encode = Callable[[list[Any]], bytes]
Decode = Callable[[bytes], list[Any]]

_LIVE: weakref.WeakSet[Spool] = weakref.WeakSet()
_FILES: weakref.WeakValueDictionary[int, _File] = weakref.WeakValueDictionary()


class Spool:
    """`add` blocks of `block` rows (the last may be shorter), then take the `columns`. A column that comes only with a
    later block is None in those before."""

    block: int = BLOCK
    """Rows of a block; whoever has large values sets it lower, before the first block."""

    def __init__(self, width: int, encode: Encode, decode: Decode) -> None:
        self._encode, self._decode = encode, decode
        self._pieces: list[list[bytes | tuple[int, int] | None]] = [[] for _ in range(width)]
        self._rows = self._blocks = self.held = 0
        self._file: _File | None = None
        _LIVE.add(self)

    def add(self, columns: Sequence[list[Any]], *, rows: int | None = None) -> None:
        """One block, column by column. `rows`: how many, where there may be no column."""
        assert self._rows % self.block == 0, "only the last block may be shorter than the others"
        self._rows += len(columns[0]) if rows is None else rows
        self._pieces += [[None] * self._blocks for _ in range(len(columns) - len(self._pieces))]
        self._blocks += 1
        others = sum(spool.held for spool in _LIVE if spool is not self)
        for pieces, cells in zip(self._pieces, columns, strict=True):
            content = self._encode(cells)
            if others + self.held + len(content) <= MEMORY:
                self.held += len(content)
                pieces.append(content)
            else:
                self._file = self._file or _shared()
                pieces.append(self._file.append(content))

    def columns(self) -> list[LazyColumn]:
        return [LazyColumn(self._rows, self._maker(pieces), block=self.block) for pieces in self._pieces]

    def _maker(self, pieces: list[bytes | tuple[int, int] | None]) -> Callable[[int, int], list[Any]]:
        def make(begin: int, end: int) -> list[Any]:
            piece = pieces[begin // self.block]
            if piece is None:
                return [None] * (end - begin)
            if isinstance(piece, bytes):
                return self._decode(piece)
            assert self._file is not None
            return self._decode(self._file.read(*piece))

        return make


class _File:
    """A temporary file without a name, gone with the last spool that has something in it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="consilience-", buffering=0)  # noqa: SIM115 - lives with this object
        self._size, self._lock = 0, threading.Lock()
        weakref.finalize(self, self._file.close)

    def append(self, content: bytes) -> tuple[int, int]:
        with self._lock:
            place, rest = self._size, memoryview(content)
            while rest:
                rest = rest[os.pwrite(self._file.fileno(), rest, self._size + len(content) - len(rest)) :]
            self._size += len(content)
        return place, len(content)

    def read(self, place: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, place)


def _shared() -> _File:
    """One file for all spools of this process: a thousand small tables must not hold a thousand files open."""
    file = _FILES.get(os.getpid())
    if file is None:
        file = _FILES[os.getpid()] = _File()
    return file


class _Place:
    """A Stored cell that JSON does not take for the text it also is."""

    def __init__(self, cell: Stored) -> None:
        self.parts = [str(cell), cell.file, cell.offset, cell.size, cell.problem]


def encode(cells: list[Any]) -> bytes:
    """Cells of any kinds, and lists of them: JSON, and after it the bytes that JSON cannot hold."""
    payload: list[bytes] = []

    def other(value: Any) -> Any:
        if isinstance(value, datetime):
            return {"t": value.isoformat()}
        if isinstance(value, _Place):
            return {"s": value.parts}
        assert isinstance(value, bytes), type(value)
        payload.append(value)
        return {"b": len(value)}

    cells = [_Place(cell) if type(cell) is Stored else cell for cell in cells]
    head = json.dumps(cells, ensure_ascii=False, default=other, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return b"".join([len(head).to_bytes(8, "little"), head, *payload])


def decode(content: bytes) -> list[Any]:
    end = at = 8 + int.from_bytes(content[:8], "little")

    def value(tagged: dict[str, Any]) -> Any:
        nonlocal at
        if "t" in tagged:
            return datetime.fromisoformat(tagged["t"])
        if "s" in tagged:
            return Stored(*tagged["s"])
        at += tagged["b"]
        return content[at - tagged["b"] : at]

    cells: list[Any] = json.loads(content[8:end].decode("utf-8", "surrogatepass"), object_hook=value)
    return cells
