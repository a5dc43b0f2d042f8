"""The encode-once store: bit for bit what was put in, whoever else works in it, whoever was killed in it."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from consilience.core.errors import DataError, UserError
from consilience.data.keys import fingerprint, key
from consilience.data.store import SPACES, Store

FP = fingerprint("a way of encoding")


def keys(*names: object) -> list[bytes]:
    return [key(name) for name in names]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


DTYPES = st.sampled_from([np.float32, np.float64, np.float16, np.int32, np.int64, np.uint8, np.bool_])


@st.composite
def columns(draw: st.DrawFn) -> list[np.ndarray]:
    """Ragged [T, D] and plain [D] arrays of one D and dtype, NaN and zero-length ones among them."""
    dtype, width = draw(DTYPES), draw(st.integers(0, 4))
    shapes = st.one_of(st.just((width,)), st.integers(0, 3).map(lambda t: (t, width)))
    return draw(st.lists(shapes.flatmap(lambda shape: stn.arrays(dtype, shape)), min_size=1, max_size=8))


@given(values=columns(), data=st.data())
@settings(max_examples=60)
def test_what_comes_out_is_what_went_in(
    tmp_path_factory: pytest.TempPathFactory, values: list, data: st.DataObject
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    names = keys(*range(len(values)))
    cut = data.draw(st.integers(0, len(values)))
    with store.space(FP, about={}) as space:
        space.append(names[:cut], values[:cut])
        early = space.read(space.find(names[:cut]))
        space.append(names, values)  # what is there already stays
        order = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=12))
        places = space.find([names[i] for i in order])
        for i, found in zip(order, space.read(places), strict=True):
            assert same(found, values[i])
        rows, counts = space.gather(places)
        assert counts.tolist() == [len(values[i]) if values[i].ndim == 2 else 1 for i in order]
        if order:
            parts = [v.reshape(n, v.shape[-1]) for v, n in zip((values[i] for i in order), counts, strict=True)]
            assert same(rows, np.concatenate(parts))
        for i in range(cut):
            assert same(early[i], values[i])
    with Store(store.folder).space(FP, about={}) as again:
        assert len(again) == len(values)
        assert all(same(a, b) for a, b in zip(again.read(again.find(names)), values, strict=True))


def test_absent_keys_and_repeats(store: Store) -> None:
    space = store.space(FP, about={})
    assert space.find(keys("a", "b")).tolist() == [-1, -1]
    assert space.find([]).tolist() == []
    space.append(keys("a", "b", "a"), [np.ones(2), np.zeros(2), np.full(2, 7.0)])
    assert space.find(keys("b", "c", "a", "b")).tolist() == [1, -1, 0, 1]
    space.append(keys("a"), [np.full(2, 9.0)])
    assert space.read(space.find(keys("a")))[0].tolist() == [1.0, 1.0]
    assert len(space) == 2
    assert space.read(np.zeros(0, np.int64)) == []
    for place in (-1, 2):
        with pytest.raises(IndexError):
            space.read(np.array([place]))


def test_keys_that_begin_alike(store: Store) -> None:
    space = store.space(FP, about={})
    names = [b"8 bytes " + bytes([i]) * 8 for i in range(50)]
    space.append(names, [np.array([i]) for i in range(50)])
    assert space.find(names[::-1]).tolist() == list(range(49, -1, -1))
    assert space.find([b"8 bytes another "]).tolist() == [-1]


def test_spaces_are_apart_and_every_reader_sees_what_is_new(store: Store) -> None:
    space, other, reader = (store.space(f, about={"of": f}) for f in (FP, "0" * 16, FP))
    space.append(keys("a"), [np.ones(3, np.float32)])
    other.append(keys("a"), [np.zeros((2, 5), np.int32)])
    assert reader.read(reader.find(keys("a")))[0].tolist() == [1, 1, 1]
    assert len(reader) == len(other) == 1
    old = reader.read(np.array([0]))[0]
    space.append(keys(*range(1000)), [np.full(3, i, np.float32) for i in range(1000)])
    assert reader.read(reader.find(keys(999)))[0][0] == 999
    assert old.tolist() == [1, 1, 1]
    assert not old.flags.writeable


def test_what_does_not_fit_is_refused_and_changes_nothing(store: Store) -> None:
    space = store.space(FP, about={})
    space.append(keys("a"), [np.ones((2, 3), np.float32)])
    for wrong in (
        np.ones(4, np.float32),
        np.ones(3),
        np.ones((1, 1, 3), np.float32),
        np.float32(1),
        np.array(["a"] * 3),
    ):
        with pytest.raises(ValueError, match=r"in a space of|only numbers"):
            space.append(keys("b", "c"), [np.ones(3, np.float32), wrong])
    with pytest.raises(ValueError, match="16 bytes"):
        space.find([b"short"])
    with pytest.raises(ValueError, match="1 keys for 2 values"):
        space.append(keys("b"), [np.ones(3, np.float32)] * 2)
    for name in ("", "../../etc", "XYZ" * 10, "0" * 15):
        with pytest.raises(ValueError, match="hexadecimal"):
            store.space(name, about={})
    assert len(space) == 1
    assert space.find(keys("b", "c")).tolist() == [-1, -1]


def test_a_folder_with_other_things_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        Store(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(UserError, match="cannot be opened"):
        Store(tmp_path / "thesis.tex" / "store")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "store.json").write_text('{"consilience store": 99}')
    with pytest.raises(UserError, match="another version"):
        Store(tmp_path / "new")


def test_a_full_disk_is_said_and_harms_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    space = store.space(FP, about={})
    space.append(keys("a"), [np.ones(3)])
    real, written = os.pwrite, []

    def full(descriptor: int, content: object, place: int) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(place)
        return real(descriptor, content[:5], place)  # type: ignore[index]

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(UserError, match="No space left"):
        space.append(keys("b"), [np.zeros(3)])
    monkeypatch.undo()
    assert space.find(keys("b")).tolist() == [-1]
    space.append(keys("b"), [np.full(3, 2.0)])
    assert [v[0] for v in store.space(FP, about={}).read(np.array([0, 1]))] == [1.0, 2.0]


@pytest.mark.parametrize("file", ["values", "index"])
def test_damage_is_noticed(store: Store, file: str) -> None:
    with store.space(FP, about={}) as space:
        space.append(keys(*range(20)), [np.full(4, i) for i in range(20)])
        path = space.folder / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2 + 3] ^= 1
    path.write_bytes(content)
    space = store.space(FP, about={})
    for look in (space.read, space.gather):
        with pytest.raises(DataError, match=r"entry 10 is damaged.*computed again"):
            look(np.arange(20))
    assert space.read(np.arange(10))[3].tolist() == [3, 3, 3, 3]
    path.write_bytes(content[:-50])
    with pytest.raises(DataError, match="shorter than it was"):
        store.space(FP, about={})


def test_a_torn_head_is_the_one_before(store: Store) -> None:
    with store.space(FP, about={}) as space:
        for i in range(3):
            space.append(keys(i), [np.full(2, i)])
        head = space.folder / "head"
    whole = head.read_bytes()
    head.write_bytes(whole[:70] + b"\xff" + whole[71:])  # of the third, in the second slot
    with store.space(FP, about={}) as space:
        assert len(space) == 2
        space.append(keys("new"), [np.full(2, 7)])
        assert [v[0] for v in space.read(space.find(keys(0, 1, "new")))] == [0, 1, 7]
    head.write_bytes(b"\xff" * 128)
    with pytest.raises(DataError, match="head is damaged"):
        store.space(FP, about={})


def test_it_goes_to_another_process(store: Store) -> None:
    space = store.space(FP, about={"of": "x"})
    space.append(keys("a"), [np.arange(3)])
    there = pickle.loads(pickle.dumps(space))
    assert there.read(there.find(keys("a")))[0].tolist() == [0, 1, 2]
    assert pickle.loads(pickle.dumps(store)).folder == store.folder


# ------------------------------------------------------------------------------------------------- several processes

WORKER = """
import sys, random
from pathlib import Path
import numpy as np
from consilience.data.keys import key
from consilience.data.store import Store

folder, fingerprint, seed, count, most = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])

def value(i):
    return np.random.default_rng(i).random((i % 4, 33), np.float32) if i % 3 else np.full(33, i, np.float32)

rng, space = random.Random(seed), Store(Path(folder)).space(fingerprint, about={})
print("begun", flush=True)
for _ in range(count):
    chosen = [rng.randrange(most) for _ in range(rng.randint(1, 40))]
    places = space.find([key(i) for i in chosen])
    known = [(i, p) for i, p in zip(chosen, places) if p >= 0]
    for (i, _), found in zip(known, space.read(np.array([p for _, p in known], np.int64))):
        assert found.tobytes() == value(i).tobytes(), i
    space.append([key(i) for i in chosen], [value(i) for i in chosen])
    print(*chosen, flush=True)
"""


def worker(folder: Path, seed: int, *, count: int, most: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WORKER, str(folder), FP, str(seed), str(count), str(most)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def value(i: int) -> np.ndarray:
    return np.random.default_rng(i).random((i % 4, 33), np.float32) if i % 3 else np.full(33, i, np.float32)


def told(output: str) -> set[int]:
    """What the worker was told is there: whole lines only."""
    return {int(word) for line in output.split("\n")[:-1] for word in line.split() if word != "begun"}


def holds(folder: Path, wanted: set[int]) -> int:
    with Store(folder).space(FP, about={}) as space:
        names = sorted(wanted)
        places = space.find(keys(*names))
        assert (places >= 0).all()
        assert all(same(found, value(i)) for i, found in zip(names, space.read(places), strict=True))
        assert len(space) == len(set(space._index["key"].view("V16").reshape(-1).tolist()))  # nothing twice
        return len(space)


def test_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    crowd = [worker(tmp_path, seed, count=25, most=400) for seed in range(3)]
    wanted: set[int] = set()
    for process in crowd:
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        wanted |= told(out)
    assert holds(tmp_path, wanted) == len(wanted)


@pytest.mark.slow
def test_killed_at_any_instant_it_loses_nothing_that_was_promised(tmp_path: Path) -> None:
    """Twenty times, each while another process works on: in the end the store equals one nobody disturbed."""
    rng, wanted = random.Random(0), set()
    for seed in range(20):
        process = worker(tmp_path / "killed", seed, count=10_000, most=3_000)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        out, error = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, error
        wanted |= told("begun\n" + out)
        assert holds(tmp_path / "killed", wanted) >= len(wanted)
    for folder in ("killed", "straight"):
        with Store(tmp_path / folder).space(FP, about={}) as space:
            space.append(keys(*range(3_000)), [value(i) for i in range(3_000)])
        assert holds(tmp_path / folder, set(range(3_000))) == 3_000


def test_a_torn_tail_is_overwritten(store: Store) -> None:
    with store.space(FP, about={}) as space:
        space.append(keys("a"), [np.ones(3)])
        for name in ("values", "index"):
            with (space.folder / name).open("ab") as file:
                file.write(b"\xaa" * 37)
    with store.space(FP, about={}) as space:
        assert len(space) == 1
        space.append(keys("b"), [np.zeros(3)])
        assert [v[0] for v in space.read(space.find(keys("b", "a")))] == [0.0, 1.0]
    assert {p.name for p in (store.folder / SPACES / FP).iterdir()} == {
        "about.json",
        "head",
        "index",
        "lock",
        "using",
        "values",
    }
