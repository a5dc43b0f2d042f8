"""Several arrays as one row of bytes: the form in which media of different lengths are kept in a mapped file.

Knows dtypes and shapes, not what they mean. A row is: how long each array is (int32), then the arrays, one after the
other. The widest types come first, so that everything is aligned where the row is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Named arrays whose first size differs from row to row: {name: (dtype, the other sizes)}."""

    arrays: Mapping[str, tuple[str, tuple[int, ...]]]

    def pack(self, **arrays: np.ndarray) -> np.ndarray:
        """[N] uint8. Every array of the layout must be given; it may be empty."""
        assert set(arrays) == set(self.arrays)
        parts = [np.array([len(arrays[name]) for name in self.arrays], np.int32).tobytes()]
        for name, (dtype, shape) in self.arrays.items():
            array = arrays[name]
            assert array.shape[1:] == shape, f"{name}: {array.shape} where the layout says {shape}"
            parts.append(np.ascontiguousarray(array, dtype).tobytes())
        return np.frombuffer(b"".join(parts), np.uint8)

    def unpack(self, row: np.ndarray) -> dict[str, np.ndarray]:
        """Views of the row, nothing is copied."""
        lengths = row[: 4 * len(self.arrays)].view(np.int32)
        out, start = {}, 4 * len(self.arrays)
        for length, (name, (dtype, shape)) in zip(lengths.tolist(), self.arrays.items(), strict=True):
            size = length * self._size(name)
            out[name] = row[start : start + size].view(dtype).reshape(length, *shape)
            start += size
        return out

    def most(self, **lengths: int) -> int:
        """Bytes of a row whose arrays are so long."""
        return 4 * len(self.arrays) + sum(lengths[name] * self._size(name) for name in self.arrays)

    def _size(self, name: str) -> int:
        dtype, shape = self.arrays[name]
        return np.dtype(dtype).itemsize * prod(shape)
