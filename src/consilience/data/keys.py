"""Hashes that say what something was computed from: keys of cells, fingerprints of ways of encoding.

BLAKE2b; the same on every machine. Every part is hashed with its length and type, so that no two lists of parts look
alike.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

KEY_BYTES = 16
"""128 bits: two cells of one key will not be met."""


def key(*parts: Any) -> bytes:
    """16 bytes for what a cell holds. `parts`: bytes as they are, anything else by its type and its repr."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in parts:
        plain = isinstance(part, bytes)
        content = part if plain else f"{type(part).__name__}:{part!r}".encode("utf-8", "surrogatepass")
        digest.update(struct.pack("<?Q", plain, len(content)))
        digest.update(content)
    return digest.digest()


_PLAIN = {str, int, float, bool, bytes, type(None)}


def key_of(value: Any) -> bytes:
    """16 bytes for a loaded value: plain values, arrays, and tuples, lists and dicts of such."""
    if type(value) in _PLAIN or (type(value) is tuple and set(map(type, value)) <= _PLAIN):
        return key(value)
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return key(np.ascontiguousarray(value).tobytes(), value.dtype.str, value.shape)
    if isinstance(value, tuple | list):
        return key(type(value).__name__, *map(key_of, value))
    if isinstance(value, dict):
        return key("dict", *(key_of(pair) for pair in value.items()))
    raise TypeError(f"no key can be made of a loaded value of type {type(value).__name__}")


def fingerprint(about: Any, arrays: Mapping[str, np.ndarray] | None = None, *, blobs: Sequence[bytes] = ()) -> str:
    """64 hexadecimal digits for a way of encoding: JSON of its settings, its learned arrays by name, and files."""
    digest = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=32)
    for name, array in sorted((arrays or {}).items()):
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"\0{name}\0{little.dtype.str}\0{little.shape}\0".encode())
        digest.update(little.tobytes())
    for blob in blobs:
        digest.update(struct.pack("<Q", len(blob)))
        digest.update(blob)
    return digest.hexdigest()
