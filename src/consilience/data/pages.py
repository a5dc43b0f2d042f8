"""The pages of a mapped file, let go of once enough of them were read: whoever goes through a file, or reads here and
there in it, would else end up with all of it in memory.

Knows arrays and no values.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

HELD = 4_000_000
"""Bytes of one file that stay, about; a smaller file stays whole."""
_AROUND = 1 << 16
"""Bytes that may come along with what is read: Linux maps what it has at hand on both sides."""


class Pages:
    """Of one mapped array; of one that is in memory there is nothing to let go of."""

    def __init__(self, array: np.ndarray) -> None:
        large = array.nbytes > HELD and hasattr(mmap, "MADV_DONTNEED")  # Windows has no such call
        self._mapping = _mapping(array) if large else None
        self._read = 0

    def reading(self, size: int) -> None:
        """So many bytes are about to be read, in one place. Views stay good: pages that are gone come back by
        themselves when they are looked at, mostly from what the system remembers of the file."""
        if self._mapping is None:
            return
        self._read += size + _AROUND
        if self._read > HELD:
            self._mapping.madvise(mmap.MADV_DONTNEED)
            self._read = size + _AROUND


def _mapping(array: np.ndarray) -> mmap.mmap | None:
    """What the array is a view of, if that is a mapped file."""
    at: Any = array
    while isinstance(at, np.ndarray | memoryview):
        at = at.base if isinstance(at, np.ndarray) else at.obj
    return at if isinstance(at, mmap.mmap) else None
