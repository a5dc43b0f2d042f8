"""Where loaded values are kept: a list, an array, or an .npy file that is mapped when it is complete.

Knows nothing of cells or workers. Every sink has `put(i, value)`, `finish(ok)` and `discard()`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from consilience.data.cells import ArrayValues
from consilience.modalities.base import Values

FEW = 256
"""Ragged values that may stay in memory."""

Spec = tuple[tuple[int, ...], np.dtype[Any]]


class Sink(Protocol):
    def put(self, i: int, value: Any) -> None: ...
    def finish(self, ok: np.ndarray) -> Values: ...
    def discard(self) -> None: ...


def open_sink(count: int, spec: Spec | None, scratch: Path | None, *, ragged: bool = False) -> Sink:
    """A place for `count` values; `spec` is their shape and dtype when they are all alike, or, of ragged ones, those
    of the longest. Many ragged values never stay in memory: without a `scratch` folder they go to a temporary file."""
    if spec is None:
        return ListSink(count)
    if ragged and scratch is None:
        return ListSink(count) if count < FEW else FileSink(count, spec, None, ragged=True)
    return ArraySink(count, spec) if scratch is None or count == 0 else FileSink(count, spec, scratch, ragged=ragged)


class ListSink:
    def __init__(self, count: int) -> None:
        self._values: list[Any] = [None] * count

    def put(self, i: int, value: Any) -> None:
        self._values[i] = value

    def finish(self, ok: np.ndarray) -> Values:
        return self._values

    def discard(self) -> None:
        self._values = []


class ArraySink:
    def __init__(self, count: int, spec: Spec) -> None:
        self._array = np.zeros((count, *spec[0]), spec[1])

    def put(self, i: int, value: Any) -> None:
        _assert_alike(value, self._array.shape[1:], self._array.dtype)
        self._array[i] = value

    def finish(self, ok: np.ndarray) -> Values:
        return ArrayValues(self._array, ok)

    def discard(self) -> None:
        self._array = self._array[:0]


class FileSink:
    """An .npy file in `scratch`. It may be sent to other processes, which then write their values straight into it.

    Values are written with `write`, not through a mapping: on a full disk a write raises, a mapping kills the process,
    and pages of a mapping count as the writing worker's own memory.

    Each value has a place of the full size. What a ragged one leaves empty is a hole in the file and takes no room on
    the disk. Without a folder the file is a temporary one that goes with the values.
    """

    def __init__(self, count: int, spec: Spec, scratch: Path | None, *, ragged: bool = False) -> None:
        self._shape, self._dtype = spec[0], np.dtype(spec[1])
        self._fleeting = scratch is None
        self._lengths = np.zeros(count, np.int64) if ragged else None
        handle, name = tempfile.mkstemp(prefix="cells-", suffix=".npy", dir=scratch)
        os.close(handle)
        self.path = Path(name)
        empty = np.lib.format.open_memmap(self.path, mode="w+", dtype=self._dtype, shape=(count, *self._shape))
        self._offset, self._size = empty.offset, empty[:1].nbytes
        self._file: BinaryIO | None = None

    def put(self, i: int, value: Any) -> None:
        _assert_alike(value, self._shape, self._dtype, ragged=self._lengths is not None)
        self.note(i, len(value) if value.ndim else 0)
        if self._file is None:
            self._file = self.path.open("r+b", buffering=0)
        self._file.seek(self._offset + i * self._size)
        rest = memoryview(value.tobytes())
        while rest:  # an unbuffered write may be a short one
            rest = rest[self._file.write(rest) :]

    def note(self, i: int, length: int) -> None:
        """Value i, which another process has put here, is so long."""
        if self._lengths is not None and len(self._lengths):
            self._lengths[i] = length

    def finish(self, ok: np.ndarray) -> Values:
        self.close()
        mapped = np.lib.format.open_memmap(self.path, mode="r")
        if self._fleeting:
            self.path.unlink()  # the mapping keeps what is in it
        return ArrayValues(mapped, ok, self._lengths)

    def discard(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __getstate__(self) -> dict[str, Any]:
        # Another process only writes values; how long they are it tells whoever keeps count.
        lengths = None if self._lengths is None else self._lengths[:0]
        return {**self.__dict__, "_file": None, "_lengths": lengths}


def _assert_alike(value: Any, shape: tuple[int, ...], dtype: Any, *, ragged: bool = False) -> None:
    fits = ragged and value.ndim == len(shape) and value.shape[1:] == shape[1:] and len(value) <= shape[0]
    assert fits or value.shape == shape, f"a value of shape {value.shape}, where Modality.array says {shape}"
    assert value.dtype == dtype, f"a value of dtype {value.dtype}, where Modality.array says {dtype}"
