"""Loaded values and features in the encode-once store. Knows modalities and processors only by their promise.

Two kinds of spaces: what `Modality.load` makes of media content under one config, and what `Processor.features` makes
of a cell after one fit. Both are named by everything that decides the result besides the cell, our own code included.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from consilience import modalities
from consilience.core.config import encode
from consilience.core.limits import Limits
from consilience.core.sparse import CSR
from consilience.data.cells import Chosen
from consilience.data.keys import fingerprint
from consilience.data.pages import Pages
from consilience.data.store import Space, Store
from consilience.modalities.base import Features, Modality, Processor, Values

_COMPUTED, _READ = 512, 1 << 16
"""Cells featurised and appended, and cells read, at once."""


def loaded_space(store: Store, modality: Modality, config: Any, limits: Limits) -> Space | None:
    """For the loaded values of media that are arrays of one shape; None for everything else. `limits` belong to it:
    what was loaded under others might have been refused under these."""
    if not modality.media or modality.array(config) is None:
        return None
    about = {"what": "loaded cells", **_way(modality, config), "limits": encode(limits)}
    return store.space(fingerprint(about), about=about)


def features_space(store: Store, modality: Modality, config: Any, processor: Processor) -> Space:
    """For the features that a fitted processor makes."""
    about = {"what": "features", **_way(modality, config)}
    learned = processor.learned()
    blobs = [part for name, content in sorted(learned.files.items()) for part in (name.encode(), content)]
    return store.space(fingerprint([about, learned.meta], learned.arrays, blobs=blobs), about=about)


def _way(modality: Modality, config: Any) -> dict[str, Any]:
    return {
        "modality": modality.name,
        "config": encode(config),
        "code": _code(type(modality).__module__),
        "versions": {name: version(name) for name in ("consilience", *modality.libraries)},
    }


@lru_cache(maxsize=32)
def _code(module: str) -> str:
    """A hash of the modality's own files (encoders aside) and of those that modalities share: with other code, other
    results are looked for."""
    file = sys.modules[module].__file__
    assert file is not None, f"{module} is no file"
    path, shared = Path(file), Path(modalities.__file__).parent
    own = path.parent.glob("*.py") if path.name == "__init__.py" else [path]
    files = sorted({*own, *shared.glob("*.py")})
    return fingerprint([f.name for f in files], blobs=[f.read_bytes() for f in files])[:16]


# --------------------------------------------------------------------------------------------------- loaded values


def put_values(space: Space, keys: Sequence[bytes], values: Sequence[np.ndarray]) -> None:
    """Loaded arrays [T, ...], each as T rows."""
    space.append(keys, [value.reshape(len(value), math.prod(value.shape[1:])) for value in values])


class StoredValues(Sequence[Any]):
    """Loaded values that stay in the store, mapped: `[i]` is a read-only view of value i, None without one."""

    def __init__(self, space: Space, keys: Sequence[bytes | None], shape: tuple[int, ...]) -> None:
        """`keys` of the values, None where there is none; `shape` of a value, whose first axis may differ."""
        self._space, self._rest = space, shape[1:]  # open as long as somebody looks: then nobody prunes it
        self._places = np.full(len(keys), -1, np.int64)
        there = [u for u, name in enumerate(keys) if name is not None]
        self._places[there] = space.find([name for name in keys if name is not None])
        assert (self._places[there] >= 0).all(), "a value that was put into the store is not there"
        self._rows, self._first, self._counts = space.rows(self._places[there])
        self._pages = Pages(self._rows)
        self._number = np.cumsum(self._places >= 0) - 1

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            return Chosen(self, range(*item.indices(len(self))))
        if self._places[item] < 0:
            return None
        number = self._number[item]
        first, count = self._first[number], self._counts[number]
        value = self._rows[first : first + count].reshape(count, *self._rest)
        self._pages.reading(value.nbytes)
        return value

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


class StoreSink:
    """A sink (see sink.py) of values that are in a space already: what is put are their keys."""

    def __init__(self, count: int, shape: tuple[int, ...], space: Space) -> None:
        self._space, self._shape = space, shape
        self._keys: list[bytes | None] = [None] * count

    def put(self, i: int, value: Any) -> None:
        self._keys[i] = value

    def finish(self, ok: np.ndarray) -> Values:
        return StoredValues(self._space, self._keys, self._shape)

    def discard(self) -> None:
        self._space.close()


# -------------------------------------------------------------------------------------------------------- features


def features(values: Values, keys: np.ndarray, processor: Processor, space: Space) -> Features:
    """Features of all cells; what the space holds is not computed, and what is computed goes into it.

    `keys` [U, 16] uint8 of what each cell holds, 0 without value. Contents that occur several times are computed once.
    """
    there = np.flatnonzero(keys.any(1))
    _, first = np.unique(keys[there], axis=0, return_index=True)
    distinct = there[np.sort(first)]
    missing = distinct[space.find(keys[distinct]) < 0]
    for start in range(0, len(missing), _COMPUTED):
        chosen = missing[start : start + _COMPUTED]
        space.append(keys[chosen], list(_entries(processor.features(Chosen(values, chosen.tolist())))))
    empty = processor.features([])  # what the columns are
    read = _sparse if isinstance(empty.matrix, CSR) else _dense
    return read(empty, space, space.find(keys[there]), there, len(values))


def _entries(found: Features) -> Iterator[np.ndarray]:
    """What is stored of each cell. Dense: the row, or no row of a cell that is not present. Sparse: [1 + nnz, 2] int32:
    whether it is present, then the columns with the bits of their values."""
    matrix = found.matrix
    if not isinstance(matrix, CSR):
        for row, present in zip(matrix, found.present.tolist(), strict=True):
            yield row if present else matrix[:0]
        return
    assert matrix.values.dtype == np.float32
    assert matrix.indices.dtype == np.int32
    starts = matrix.indptr.tolist()
    pairs = np.stack([matrix.indices, matrix.values.view(np.int32)], axis=1)
    for a, b, present in zip(starts, starts[1:], found.present.tolist(), strict=False):
        yield np.concatenate([np.array([[present, 0]], np.int32), pairs[a:b]])


def _dense(empty: Features, space: Space, places: np.ndarray, there: np.ndarray, count: int) -> Features:
    matrix, present = np.zeros((count, len(empty.names)), np.float32), np.zeros(count, bool)
    for start in range(0, len(there), _READ):
        rows, counts = space.gather(places[start : start + _READ])
        chosen = there[start : start + _READ][counts > 0]
        matrix[chosen], present[chosen] = rows, True
    return Features(matrix=matrix, present=present, names=empty.names)


def _sparse(empty: Features, space: Space, places: np.ndarray, there: np.ndarray, count: int) -> Features:
    present, lengths = np.zeros(count, bool), np.zeros(count, np.int64)
    indices, values = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for start in range(0, len(there), _READ):
        rows, counts = space.gather(places[start : start + _READ])
        chosen = there[start : start + _READ]
        heads = np.cumsum(counts) - counts
        present[chosen], lengths[chosen] = rows[heads, 0] > 0, counts - 1
        pairs = np.delete(rows, heads, axis=0)
        indices.append(pairs[:, 0])
        values.append(np.ascontiguousarray(pairs[:, 1]).view(np.float32))
    matrix = CSR(
        values=np.concatenate(values),
        indices=np.concatenate(indices),
        indptr=np.concatenate([[0], np.cumsum(lengths)]),
        width=empty.matrix.shape[1],
    )
    return Features(matrix=matrix, present=present, names=empty.names)
