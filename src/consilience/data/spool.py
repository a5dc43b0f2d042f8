"""Cells of a text file that is read once, kept as bytes: in memory up to a limit, beyond it in a temporary file.

One block of rows of one column is one piece. Knows no file format: how cells become bytes is the caller's business.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable
from typing import Any

from consilience.data.table import BLOCK, LazyColumn

MEMORY = 64_000_000
"""Bytes of all columns kept in memory; what comes later goes to a file."""

Encode = Callable[[list[Any]], bytes]
Decode = Callable[[bytes], list[Any]]


class Spool:
    """`add` blocks of `BLOCK` rows (the last may be shorter), then take the `columns`."""

    def __init__(self, width: int, encode: Encode, decode: Decode) -> None:
        self._encode, self._decode = encode, decode
        self._pieces: list[list[bytes | tuple[int, int]]] = [[] for _ in range(width)]
        self._rows = self._size = 0
        self._file: Any = None

    def add(self, columns: list[list[Any]]) -> None:
        """One block, column by column."""
        assert self._rows % BLOCK == 0, "only the last block may be shorter than the others"
        self._rows += len(columns[0])
        for pieces, cells in zip(self._pieces, columns, strict=True):
            content = self._encode(cells)
            self._size += len(content)
            pieces.append(content if self._size <= MEMORY else self._put_away(content))

    def columns(self) -> list[LazyColumn]:
        if self._file is not None:
            self._file.flush()
        return [LazyColumn(self._rows, self._maker(pieces)) for pieces in self._pieces]

    def _put_away(self, content: bytes) -> tuple[int, int]:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="consilience-")  # noqa: SIM115 - it lives as long as the columns
            weakref.finalize(self, self._file.close)
        place = self._file.tell(), len(content)
        self._file.write(content)
        return place

    def _maker(self, pieces: list[bytes | tuple[int, int]]) -> Callable[[int, int], list[Any]]:
        def make(begin: int, end: int) -> list[Any]:
            piece = pieces[begin // BLOCK]
            if isinstance(piece, bytes):
                return self._decode(piece)
            return self._decode(os.pread(self._file.fileno(), piece[1], piece[0]))

        return make
