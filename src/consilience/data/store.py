"""The encode-once store: arrays by the content they were computed from. Knows no modality, no encoder and no model.

A store is a folder of spaces. In a space are the results of one way of encoding, so its name is the fingerprint of
everything that decides a result besides the cell; what is looked up in it are hashes of cells. Of a space:

    about.json   for people
    index        one record of 32 bytes an entry, in order of arrival: key, place of its rows, checksum
    values       rows [R, D] of one type, mapped into memory by readers
    head         how much of both counts, twice; the newer of the two that is whole is believed
    lock, using  empty; held by who appends, and (shared) by everybody who has the space open

What counts is never written again. A writer adds behind it and then moves the head, so whoever is killed at any instant
leaves at most something behind the head, which nobody sees and the next writer overwrites.
"""

from __future__ import annotations

import json
import os
import re
import threading
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import DataError, UserError
from consilience.data.keys import KEY_BYTES
from consilience.data.store_files import claim, locked, mapped, put, read_head, write_at, write_head

SPACES = "spaces"
MARK = "store.json"
"""In the folder of every store: nothing else is ever taken for one, least of all by who deletes."""
_MARKED = {"consilience store": 1}
"""What stands in it; the number is that of the format."""

_RECORD = np.dtype([("key", "<u8", 2), ("start", "<i8"), ("rows", "<i4"), ("check", "<u4")])
"""`rows`: T of a [T, D] value, -1 of a [D] value. `check`: CRC-32 of the record before it, then the value."""
_TOLD = _RECORD.itemsize - 4

Keys = Sequence[bytes] | np.ndarray
"""N keys of 16 bytes, or an array [N, 16] uint8 of them."""


class Store:
    """A folder of spaces, shared by any number of processes, each of which may be killed at any instant."""

    def __init__(self, folder: Path, *, begin: bool = True) -> None:
        """Open the store, or (if `begin`) begin one in a folder that is empty or not there. Raises UserError for any
        other folder."""
        self.folder = Path(os.path.abspath(folder))  # the working directory may change
        if os.name == "nt":
            raise UserError(f"{folder}: stores need the file locks of Linux or macOS; leave the store out")
        mark = self.folder / MARK
        try:
            if not mark.exists():
                if not begin:
                    raise UserError(f"{folder}: there is no store in this folder")
                self._begin(mark)
            told = json.loads(mark.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise UserError(f"{folder}: the store cannot be opened: {error}") from error
        if told != _MARKED:
            raise UserError(f"{folder}: a store of another version: {told}, and this is {_MARKED}. Give a new folder")

    def _begin(self, mark: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Another process may be beginning it at the same moment.
        strange = sorted(p.name for p in self.folder.iterdir() if not p.name.startswith((SPACES, MARK, f".{MARK}")))
        if strange:
            raise UserError(
                f"{self.folder}: a folder with other things in it ({strange[0]}) is not made a store. Give an empty "
                "or a new one"
            )
        put(mark, _MARKED)

    def space(self, fingerprint: str, *, about: Mapping[str, Any]) -> Space:
        """The space of one way of encoding, opened or begun. `fingerprint`: 16 to 128 hexadecimal digits, of all that
        decides a result besides the cell. `about`: JSON for people: what it is, of which input, how wide."""
        if not re.fullmatch(r"[0-9a-f]{16,128}", fingerprint):
            raise ValueError(f"{fingerprint!r}: not 16 to 128 lower-case hexadecimal digits")
        try:
            return Space(self.folder / SPACES / fingerprint, about=about)
        except OSError as error:
            raise UserError(f"{self.folder}: the store cannot be opened: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.folder,)


class Space:
    """The results of one way of encoding: values [T, D] or [D] by the key of their cell; D and dtype are one in it.

    Opened by `Store.space`. A place, once found, means the same entry for ever. While it is open nobody prunes it.
    """

    def __init__(self, folder: Path, *, about: Mapping[str, Any]) -> None:
        self.folder, self.about = folder, dict(about)
        self._closed = weakref.finalize(self, os.close, claim(folder))
        if not (folder / "about.json").exists():
            put(folder / "about.json", self.about)
        self._lock = threading.RLock()
        self._index = np.zeros(0, _RECORD)
        self._values = np.zeros((0, 0), np.float32)
        self._runs: list[tuple[np.ndarray, np.ndarray]] = []
        self._refresh()

    def close(self) -> None:
        """Let it be pruned. Arrays that were read stay good."""
        self._closed()

    def __enter__(self) -> Space:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # A process that is given many pieces of work opens it once.
        return _open, (self.folder, json.dumps(self.about))

    def __len__(self) -> int:
        self._refresh()
        return len(self._index)

    def find(self, keys: Keys) -> np.ndarray:
        """[N] int64: the place of each key, -1 where it is absent."""
        wanted = _words(keys)
        self._refresh()
        with self._lock:
            return self._find(wanted)

    def key(self, place: int) -> bytes:
        """The key of the entry at a place."""
        return self._at(np.array([place]))[0]["key"].tobytes()

    def append(self, keys: Keys, values: Sequence[np.ndarray]) -> None:
        """Add values under their keys, all of them or (killed half-way) none. A key that is there keeps its value.

        `values`: arrays [T, D] or [D] of one dtype; T differs as it likes, D does not. When it returns, they are there
        for every process. Raises ValueError for other arrays, UserError when the disk does not take them.
        """
        if len(keys) != len(values):
            raise ValueError(f"{len(keys)} keys for {len(values)} values")
        words = _words(keys)
        if not len(words):
            return
        try:
            with self._lock, locked(self.folder / "lock"):
                self._refresh()
                _, first = np.unique(words, axis=0, return_index=True)
                new = np.sort(first)
                new = new[self._find(words[new]) < 0]
                if len(new):
                    self._write(words[new], [np.asarray(values[i]) for i in new])
        except OSError as error:
            raise UserError(f"{self.folder}: the store cannot be written: {error.strerror or error}") from error

    def read(self, places: np.ndarray) -> list[np.ndarray]:
        """The values at some places, in that order, repeats allowed: read-only views of the file, bit for bit what was
        appended. Raises DataError where the file is not what was written any more."""
        records, values = self._at(places)
        starts, counts = records["start"].tolist(), records["rows"].tolist()
        self._verify(places, records, values, starts)
        return [values[a] if n < 0 else values[a : a + n] for a, n in zip(starts, counts, strict=True)]

    def gather(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same as one copy: (all rows, one value after another [sum T, D]; T of each value [N] int64)."""
        records, values = self._at(places)
        counts = np.abs(records["rows"]).astype(np.int64)
        first = np.cumsum(counts) - counts
        rows = values[np.repeat(records["start"] - first, counts) + np.arange(counts.sum())]
        self._verify(places, records, rows, first.tolist())
        return rows, counts

    def rows(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the values at some places are: (all rows of the space [R, D], mapped, to be read only; the first row of
        each value [N]; its T [N]). Nothing is read, so nothing is held against its checksum."""
        records, values = self._at(places)
        return values, records["start"].astype(np.int64), np.abs(records["rows"]).astype(np.int64)

    def _verify(self, places: np.ndarray, records: np.ndarray, rows: np.ndarray, starts: list[int]) -> None:
        found = np.fromiter(_checks(records, rows, starts, np.abs(records["rows"]).tolist()), np.uint32, len(records))
        if len(wrong := np.flatnonzero(found != records["check"])):
            raise DataError(
                f"{self.folder}: entry {int(places[wrong[0]])} is damaged: the disk does not hold what was written. "
                "Delete this folder; what it held is computed again"
            )

    def _at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = np.asarray(places, np.int64)
        if len(places) and int(places.max()) >= len(self._index):
            self._refresh()
        with self._lock:
            if len(places) and not (int(places.min()) >= 0 and int(places.max()) < len(self._index)):
                raise IndexError(f"places {int(places.min())} to {int(places.max())} of {len(self._index)} entries")
            return self._index[places], self._values

    def _refresh(self) -> None:
        """See what has been appended since the last look."""
        head = read_head(self.folder)
        if head is None:
            return
        _, entries, rows, width, dtype = head
        with self._lock:
            seen = len(self._index)
            if entries <= seen:
                return
            self._index = mapped(self.folder / "index", _RECORD, (entries,))
            self._values = mapped(self.folder / "values", np.dtype(dtype), (rows, width))
            first = np.ascontiguousarray(self._index["key"][seen:, 0])
            order = np.argsort(first, kind="stable")
            self._runs.append((first[order], order + seen))
            # Sorted runs, each at least twice as long as the next: adding to a long index costs little.
            while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
                (a, i), (b, j) = self._runs[-2:]
                both = np.concatenate([a, b])
                order = np.argsort(both, kind="stable")
                self._runs[-2:] = [(both[order], np.concatenate([i, j])[order])]

    def _find(self, wanted: np.ndarray) -> np.ndarray:
        found = np.full(len(wanted), -1, np.int64)
        for first, places in self._runs:
            left, right = (np.searchsorted(first, wanted[:, 0], side) for side in ("left", "right"))
            open_ = np.flatnonzero(left < right)
            while len(open_):  # once, but for keys that begin alike
                place = places[left[open_]]
                same = self._index["key"][place, 1] == wanted[open_, 1]
                found[open_[same]] = place[same]
                left[open_] += 1
                open_ = open_[~same & (left[open_] < right[open_])]
        return found

    def _write(self, words: np.ndarray, values: Sequence[np.ndarray]) -> None:
        """Behind what counts, then make it count. The lock is held."""
        generation, entries, rows, width, dtype = read_head(self.folder) or (0, 0, 0, -1, "")
        if not dtype:
            width, dtype = (int(values[0].shape[-1]) if values[0].ndim else -1), _plain(values[0].dtype)
        for value in values:
            if value.ndim not in (1, 2) or value.shape[-1] != width or _plain(value.dtype) != dtype:
                raise ValueError(f"a {value.dtype} array {value.shape} in a space of {dtype} rows of {width}")
        block = np.concatenate([value.reshape(_rows(value), width) for value in values])
        block = block.astype(dtype, copy=False)
        counts = np.array([_rows(value) for value in values], np.int64)
        records = np.zeros(len(words), _RECORD)
        records["key"] = words
        records["start"] = rows + np.cumsum(counts) - counts
        records["rows"] = [len(value) if value.ndim == 2 else -1 for value in values]
        records["check"] = list(_checks(records, block, (records["start"] - rows).tolist(), counts.tolist()))
        write_at(self.folder / "values", rows * width * block.dtype.itemsize, block)
        write_at(self.folder / "index", entries * _RECORD.itemsize, records)
        write_head(self.folder, (generation + 1, entries + len(records), rows + len(block), width, dtype))
        self._refresh()


@lru_cache(maxsize=8)
def _open(folder: Path, about: str) -> Space:
    return Space(folder, about=json.loads(about))


def _words(keys: Keys) -> np.ndarray:
    """[N, 2] uint64 of N keys."""
    if isinstance(keys, np.ndarray):
        assert keys.dtype == np.uint8, keys.dtype
        assert keys.shape == (len(keys), KEY_BYTES), keys.shape
        return np.ascontiguousarray(keys).view("<u8")
    if any(len(key) != KEY_BYTES for key in keys):
        raise ValueError(f"a key has {KEY_BYTES} bytes")
    return np.frombuffer(b"".join(keys), "<u8").reshape(-1, 2)


def _checks(records: np.ndarray, rows: np.ndarray, starts: list[int], counts: list[int]) -> Iterator[int]:
    """The CRC-32 of each record and of its rows, which begin at `starts`."""
    told, step = records.tobytes(), _RECORD.itemsize
    raw, wide = rows.reshape(-1).view(np.uint8).data if rows.size else b"", rows.itemsize * rows.shape[1]
    for number, (start, count) in enumerate(zip(starts, counts, strict=True)):
        begun = zlib.crc32(told[number * step : number * step + _TOLD])
        yield zlib.crc32(raw[start * wide : (start + count) * wide], begun)


def _rows(value: np.ndarray) -> int:
    return len(value) if value.ndim == 2 else 1


def _plain(dtype: np.dtype[Any]) -> str:
    if dtype.kind not in "biufc":
        raise ValueError(f"{dtype}: only numbers are stored")
    return dtype.newbyteorder("<").str
