"""What does the encode-once store cost beside plain .npy files of the same arrays? Append, find, read, open.

    python benchmarks/bench_store.py --cells 10000 --width 1280 --entries 1000000

Two shapes: vectors of a backbone (`--cells` of [1, `--width`] float32) and decoded pictures (`--cells` / 2 of
[64, 64 * 3] uint8). They are appended in pieces of 512, with checksums and flushed to the disk each time; `np.save`
writes one file, flushed too. They are read in a random order, from a fresh opening, checked against their checksums,
beside `np.load` (into memory, and mapped). Then a store of `--entries` small ones: how long opening and finding take.
Held to: reads are bit for bit what was appended; opening a million entries and finding 1,000 of them takes under 1 s.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _measure import machine

from consilience.data.keys import fingerprint, key
from consilience.data.store import Store

PIECE = 512


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """(what it returned, CPU-seconds, seconds)."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def saved(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fdatasync(file.fileno())


def append(store: Store, name: str, keys: list[bytes], values: np.ndarray) -> None:
    with store.space(fingerprint(name), about={"what": name}) as space:
        for start in range(0, len(keys), PIECE):
            space.append(keys[start : start + PIECE], list(values[start : start + PIECE]))


def line(what: str, size: float, cpu: float, wall: float) -> None:
    print(f"  {what:34} {cpu:7.3f} CPU-s {wall:7.3f} s {size / max(wall, 1e-9) / 1e6:9,.0f} MB/s")


def compare(folder: Path, name: str, values: np.ndarray) -> None:
    store, size = Store(folder / "store"), values.nbytes
    keys = [key(name, i) for i in range(len(values))]
    order = np.random.default_rng(0).permutation(len(values))
    print(f"{name}: {len(values):,} of {values.shape[1:]} {values.dtype}, {size / 1e6:,.0f} MB")
    line("np.save, flushed", size, *timed(lambda: saved(folder / "plain.npy", values))[1:])
    line(f"append, {PIECE} at a time", size, *timed(lambda: append(store, name, keys, values))[1:])

    def opened() -> Any:
        return store.space(fingerprint(name), about={})

    shuffled = [keys[i] for i in order]
    line("np.load, shuffled copy", size, *timed(lambda: np.load(folder / "plain.npy")[order])[1:])
    mapped = lambda: np.load(folder / "plain.npy", mmap_mode="r")[order]  # noqa: E731
    line("np.load mapped, shuffled copy", size, *timed(mapped)[1:])
    (rows, _), cpu, wall = timed(lambda: (s := opened()).gather(s.find(shuffled)))
    line("open, find, gather shuffled copy", size, cpu, wall)
    assert np.array_equal(rows.reshape(values.shape), values[order])
    views, cpu, wall = timed(lambda: (s := opened()).read(s.find(shuffled)))
    line("open, find, read views", size, cpu, wall)
    assert all(np.array_equal(view, values[i]) for view, i in zip(views, order, strict=True))


def many(folder: Path, entries: int) -> bool:
    store, values = Store(folder / "many"), np.arange(entries * 4, dtype=np.float32).reshape(entries, 1, 4)
    keys = [key(i) for i in range(entries)]
    _, cpu, wall = timed(lambda: append(store, "many", keys, values))
    print(f"{entries:,} entries of 16 bytes: appended in {cpu:.2f} CPU-s, {wall:.2f} s")
    chosen = [keys[i] for i in np.random.default_rng(0).integers(0, entries, 1000)]
    space, _, wall = timed(lambda: store.space(fingerprint("many"), about={}))
    places, _, wall_find = timed(lambda: space.find(chosen))
    assert (places >= 0).all()
    print(f"  opened in {wall:.3f} s, 1,000 found in {wall_find:.4f} s")
    print(f"  all found in {timed(lambda: space.find(keys))[2]:.2f} s")
    good = wall + wall_find < 1
    print(f"  open and find 1,000 under 1 s: {'yes' if good else 'NO'} ({wall + wall_find:.3f} s)")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=1_280)
    parser.add_argument("--entries", type=int, default=1_000_000)
    sizes = parser.parse_args()
    print(machine())
    folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    try:
        compare(folder, "vectors", rng.random((sizes.cells, 1, sizes.width), np.float32))
        compare(folder, "pictures", rng.integers(0, 256, (sizes.cells // 2, 64, 192), np.uint8))
        good = many(folder, sizes.entries)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
