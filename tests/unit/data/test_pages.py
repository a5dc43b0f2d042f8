"""Mapped files: what was read of them does not stay in memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilience.data import pages
from consilience.data.keys import key
from consilience.data.sink import open_sink
from consilience.data.store import Store
from consilience.data.stored import StoredValues, features, put_values
from consilience.modalities.base import Features
from consilience.models.view import Source

COUNT, SHAPE = 48, (512, 1024)
"""Values of half a megabyte."""
HELD = 2_000_000


def in_file(folder: Path) -> Sequence[Any]:
    sink = open_sink(COUNT, (SHAPE, np.dtype(np.uint8)), folder)
    for u in range(COUNT):
        sink.put(u, np.full(SHAPE, u, np.uint8))
    return sink.finish(np.ones(COUNT, bool))


def in_file_ragged(folder: Path) -> Sequence[Any]:
    sink = open_sink(COUNT, (SHAPE, np.dtype(np.uint8)), folder, ragged=True)
    for u in range(COUNT):
        sink.put(u, np.full((SHAPE[0] - u, *SHAPE[1:]), u, np.uint8))
    return sink.finish(np.ones(COUNT, bool))


def in_store(folder: Path) -> Sequence[Any]:
    space = Store(folder / "store").space("0" * 16, about={})
    keys = [key(bytes([u])) for u in range(COUNT)]
    put_values(space, keys, [np.full(SHAPE, u, np.uint8) for u in range(COUNT)])
    return StoredValues(space, keys, SHAPE)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what is in memory")
@pytest.mark.parametrize("kept", [in_file, in_file_ragged, in_store])
def test_going_through_a_mapped_file_leaves_little_of_it_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Callable[[Path], Sequence[Any]]
) -> None:
    monkeypatch.setattr(pages, "HELD", HELD)
    values = kept(tmp_path)
    first = values[0]
    most = 0

    def look(places: Sequence[int], some: Sequence[Any]) -> None:
        nonlocal most
        for u, value in zip(places, some, strict=True):
            assert (value == u).all()
            most = max(most, resident(tmp_path))

    look(range(COUNT), values)
    look(range(COUNT), values[:])
    for u in range(0, COUNT, 7):
        look([u], [values[u]])
    assert 0 < most < COUNT * SHAPE[0] * SHAPE[1] / 3, "about HELD, and the huge page on either side"
    assert (first == 0).all(), "views stay good"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what is in memory")
@pytest.mark.parametrize("stored", [False, True])
def test_features_are_made_with_few_values_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    monkeypatch.setattr(pages, "HELD", HELD)
    values, most = in_file(tmp_path), []

    class Means:
        def features(self, values: Sequence[Any]) -> Features:
            means = np.zeros((len(values), 1), np.float32)
            for u, value in enumerate(values):
                means[u] = value.mean()
                most.append(resident(tmp_path))
            return Features(matrix=means, present=np.ones(len(values), bool), names=["mean"])

    processor: Any = Means()
    if stored:
        keys = np.stack([np.frombuffer(key(bytes([u])), np.uint8) for u in range(COUNT)])
        made = features(values, keys, processor, Store(tmp_path / "store").space("0" * 16, about={}))
    else:
        made = Source(values=values, processor=processor).features()
    assert isinstance(made.matrix, np.ndarray)
    assert made.matrix[:, 0].tolist() == list(range(COUNT))
    assert 0 < max(most) < COUNT * SHAPE[0] * SHAPE[1] / 3


def test_an_array_in_memory_has_no_pages_to_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "HELD", 8)
    array = np.arange(16)
    held = pages.Pages(array[1:])
    for _ in range(3):
        held.reading(100)
    assert (array == np.arange(16)).all()


def resident(folder: Path) -> int:
    """Bytes in memory of files below the folder that this process has mapped."""
    text = Path("/proc/self/smaps").read_text()
    parts = re.findall(rf"{re.escape(str(folder))}/\S+(?: \(deleted\))?\nSize:.*?\nRss: +(\d+) kB", text, re.DOTALL)
    return sum(int(size) * 1024 for size in parts)
