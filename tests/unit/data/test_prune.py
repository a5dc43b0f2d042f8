"""Looking into a store and making room: what is open stays, what goes is gone whole, other folders are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from consilience.core.errors import UserError
from consilience.data import prune
from consilience.data.keys import fingerprint, key
from consilience.data.store import SPACES, Store

DAY = 86_400.0
NOW = 1_700_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Four spaces of 100 kB or more, not used for 1, 2, 3 and 4 days."""
    store = Store(tmp_path / "store")
    for days in (3, 1, 4, 2):
        with store.space(fingerprint(days), about={"what": "features", "days": days}) as space:
            space.append([key(i) for i in range(100)], [np.full((1, 256), i, np.float32) for i in range(100)])
            os.utime(space.folder / "using", (NOW - days * DAY,) * 2)
    return store


def days(spaces: list[prune.Held]) -> list[int]:
    return [held.about["days"] for held in spaces]


def test_looking_is_no_use(store: Store) -> None:
    for _ in range(2):
        found = prune.look(store)
        assert days(found) == [4, 3, 2, 1]
        assert [held.used for held in found] == [NOW - d * DAY for d in (4, 3, 2, 1)]
        assert {(h.entries, h.rows, h.width, h.dtype, h.open, h.damaged) for h in found} == {
            (100, 100, 256, "<f4", False, False)
        }
        assert all(100 * 1024 <= held.bytes < 200 * 1024 for held in found)
    with store.space(fingerprint(3), about={}) as space:
        assert [held.open for held in prune.look(store)] == [False, False, False, True]  # and now used last
        assert space.read(np.array([7]))[0][0, 0] == 7


def test_what_is_chosen(store: Store) -> None:
    spaces = prune.look(store)
    one = spaces[0].bytes

    def choose(older: float | None = None, keep: int | None = None) -> list[int]:
        return days(prune.chosen(spaces, older_than=older, keep_bytes=keep, now=NOW))

    assert choose(older=2.5 * DAY) == [4, 3]
    assert choose(older=9 * DAY) == []
    assert choose(keep=10 * one) == []
    assert choose(keep=2 * one) == [4, 3]
    assert choose(keep=2 * one - 1) == [4, 3, 2]
    assert choose(older=3.5 * DAY, keep=3 * one) == [4]
    assert choose(keep=0) == [4, 3, 2, 1]
    with store.space(fingerprint(4), about={}):
        spaces = prune.look(store)
        assert choose(keep=0, older=0) == [3, 2, 1]


def test_what_goes_is_gone_and_can_be_begun_again(store: Store) -> None:
    oldest, *_ = prune.look(store)
    assert prune.remove(oldest)
    assert days(prune.look(store)) == [3, 2, 1]
    assert not prune.remove(oldest)
    with store.space(fingerprint(4), about={"what": "features", "days": 4}) as space:
        assert len(space) == 0
        space.append([key(1)], [np.zeros(3)])
        assert len(space) == 1


def test_somebody_who_opens_it_meanwhile_keeps_it(store: Store) -> None:
    oldest, *_ = prune.look(store)
    with store.space(fingerprint(4), about={}) as space:
        values = space.read(np.arange(100))
        assert not prune.remove(oldest)
        assert len(space) == 100
    assert prune.remove(oldest)
    assert values[99][0, 255] == 99  # what was read stays good


def test_what_a_killed_prune_left_is_swept(store: Store) -> None:
    folder = store.folder / SPACES / fingerprint(3)
    folder.rename(folder.with_name(f".pruned-{folder.name}-1"))
    assert days(prune.look(store)) == [4, 2, 1]
    assert prune.left_over(store) > 100 * 1024
    prune.sweep(store)
    assert prune.left_over(store) == 0


def test_damaged_spaces_are_seen_and_go(store: Store) -> None:
    (store.folder / SPACES / fingerprint(1) / "head").write_bytes(b"\xff" * 128)
    found = prune.look(store)
    assert [held.damaged for held in found] == [False, False, False, True]
    assert days(prune.chosen(found, older_than=99 * DAY, keep_bytes=None, now=NOW)) == [1]


def test_only_a_store_is_looked_into(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="no store in this folder"):
            Store(folder, begin=False)
    assert [*tmp_path.iterdir()] == []


BUSY = """
import sys, time
from pathlib import Path
import numpy as np
from consilience.data.keys import fingerprint, key
from consilience.data.store import Store

number, store = 0, Store(Path(sys.argv[1]))
while True:
    with store.space(fingerprint("busy"), about={}) as space:
        names = [key(number), key(number + 1)]
        space.append(names, [np.full(3, number), np.full(3, number + 1)])
        assert [v[0] for v in space.read(space.find(names))] == [number, number + 1]
    number += 1
    time.sleep(0.001 * (number % 3))
"""


def test_pruning_a_busy_store_harms_nobody(tmp_path: Path) -> None:
    """Each time the space is closed for a moment it may go; who opens it then begins it anew, and loses nothing."""
    store = Store(tmp_path / "store")
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(store.folder)], stderr=subprocess.PIPE, text=True)
    gone, patience = 0, time.monotonic() + 30
    while gone < 5 and time.monotonic() < patience and process.poll() is None:
        gone += sum(prune.remove(held) for held in prune.look(store))
    process.kill()
    _, error = process.communicate()
    assert error == ""
    assert gone >= 5
