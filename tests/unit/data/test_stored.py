"""Loaded values and features through the store: the same as without, and nothing is done twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilience.core.errors import DataError
from consilience.core.limits import Limits
from consilience.core.registry import Family
from consilience.core.sparse import CSR
from consilience.core.state import State
from consilience.data import stored
from consilience.data.cells import Cells, Dataset
from consilience.data.infer import InputPlan
from consilience.data.keys import key
from consilience.data.loader import load
from consilience.data.store import SPACES, Store
from consilience.data.table import Table
from consilience.modalities.base import Features, Processor

FAKES = Family("modality", {"array_blob": "fakes_for_data:ArrayBlob", "words": "fakes_for_data:Words"})
CONTENTS: list[bytes | None] = [b"%04d" % i for i in range(60)]
CONTENTS[5:14] = [None, b"badness", b"odd1", b"bug", b"nil", b"0001 and other bytes", b"", b"odd1", b"odd2"]
CONTENTS[50] = b"0002"


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the fakes; `loaded` is what they have loaded in this process."""
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("fakes")))
    import fakes_for_data

    fakes_for_data.loaded = []
    real = fakes_for_data.Blob.load

    def watched(self: Any, cell: Any, *rest: Any) -> Any:
        fakes_for_data.loaded.append(cell)
        return real(self, cell, *rest)

    monkeypatch.setattr(fakes_for_data.Blob, "load", watched)
    return fakes_for_data


def files(folder: Path, contents: list[bytes | None]) -> Table:
    folder.mkdir(exist_ok=True)
    for i, content in enumerate(contents):
        if content is not None:
            (folder / f"{i}.bin").write_bytes(content)
    cells = [None if content is None else f"{i}.bin" for i, content in enumerate(contents)]
    return Table(columns={"file": cells}, name="t", root=folder)


def run(table: Table, store: Store | None, **options: Any) -> Cells:
    plan = InputPlan(name="in", modality="array_blob", columns=("file",), kinds=("array_blob",))
    options = {"workers": 0, **options}
    loaded: Dataset = load(table, {"in": plan}, {"in": ("a config",)}, modalities=FAKES, store=store, **options)
    return loaded.inputs["in"]


def same(a: Cells, b: Cells) -> None:
    assert len(a.values) == len(b.values)
    for one, other in zip(a.values, b.values, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
    for name in ("index", "groups", "keys"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    assert a.problems == b.problems


@pytest.mark.parametrize("scratch", [False, True])
def test_media_are_loaded_once(tmp_path: Path, fakes: Any, scratch: bool) -> None:
    table, store = files(tmp_path / "files", CONTENTS), Store(tmp_path / "store")
    options = {"scratch": tmp_path} if scratch else {}
    plain = run(table, None, **options)
    fakes.loaded.clear()
    same(run(table, store, **options), plain)
    assert len(fakes.loaded) == 58  # all that are there, but for the second 0002
    fakes.loaded.clear()
    same(run(table, store, **options), plain)
    # Bad ones are bad again, nothing is nothing again, and remarks are made again: those alone are loaded.
    assert Counter(cell for (cell,) in fakes.loaded) == {b"badness": 1, b"odd1": 2, b"bug": 1, b"nil": 1, b"odd2": 1,
                                                         "11.bin": 1}  # fmt: skip
    fakes.loaded.clear()
    (tmp_path / "files" / "40.bin").write_bytes(b"new!")
    changed = run(table, store, **options)
    assert (b"new!",) in fakes.loaded
    assert len(fakes.loaded) == 8
    assert changed.values[40].tobytes() == np.frombuffer(b"new!", np.uint8).astype(np.int16).tobytes()
    same(changed, run(table, None, **options))


@pytest.mark.slow
def test_in_worker_processes_too(tmp_path: Path) -> None:
    contents: list[bytes | None] = [*CONTENTS, *(b"%04d" % i for i in range(1000, 1400))]
    contents[70] = b"die"
    table, store = files(tmp_path / "files", contents), Store(tmp_path / "store")
    plain = run(table, None, workers=2)
    assert [p.reason for p in plain.problems if p.row == 70] == ["the decoder crashed"]
    same(run(table, store, workers=2), plain)
    contents[70] = None
    table = files(tmp_path / "files", contents)
    same(run(table, store, workers=2), run(table, None))


def test_it_takes_other_contents_limits_and_settings_for_what_they_are(tmp_path: Path, fakes: Any) -> None:
    table, store = files(tmp_path / "files", [b"0001", b"0002"]), Store(tmp_path / "store")
    run(table, store)
    fakes.loaded.clear()
    found = run(table, store, limits=Limits(bytes=3))
    assert len(found.problems) == 2
    assert len([*(store.folder / SPACES).iterdir()]) == 2


def test_damage_in_the_store_ends_the_run(tmp_path: Path) -> None:
    table, store = files(tmp_path / "files", [b"0001", b"0002"]), Store(tmp_path / "store")
    run(table, store)
    (values,) = store.folder.glob("spaces/*/values")
    values.write_bytes(values.read_bytes()[:-1] + b"\7")
    with pytest.raises(DataError, match="damaged"):
        run(table, store)


def test_all_missing(tmp_path: Path) -> None:
    table = Table(columns={"file": [None, None]}, name="t", root=tmp_path)
    cells = run(table, Store(tmp_path / "store"))
    assert [*cells.values] == [None]
    assert not cells.keys.any()


def test_equal_content_has_an_equal_key_wherever_it_is(tmp_path: Path) -> None:
    cells = run(files(tmp_path / "files", [b"0001", b"0002", b"0001", None]), None)
    assert [bytes(k) for k in cells.keys] == [key(b"0001"), key(b"0002"), key(b"0001"), bytes(16)]
    plan = InputPlan(name="in", modality="words", columns=("w",), kinds=("words",))
    table = Table(columns={"w": ["a", None, "b", "bad"]}, name="t", root=tmp_path)
    words = load(table, {"in": plan}, {"in": ()}, modalities=FAKES).inputs["in"]
    assert [bytes(k) for k in words.keys] == [key(("a",)), bytes(16), key(("b",)), bytes(16)]
    assert words.take(np.array([2])).keys is not None


def test_values_of_several_lengths(tmp_path: Path) -> None:
    values = [np.full((n, 2, 3), n, np.float32) for n in (3, 0, 5)]
    names = [key(i) for i in range(3)]
    with Store(tmp_path / "store").space("0" * 16, about={}) as space:
        stored.put_values(space, names, values)
        found = stored.StoredValues(space, [names[2], None, names[1], names[0], names[2]], (9, 2, 3))
        assert [None if v is None else v.shape for v in found] == [(5, 2, 3), None, (0, 2, 3), (3, 2, 3), (5, 2, 3)]
        assert np.array_equal(found[4], values[2])
        assert [v is None for v in found[1:3]] == [True, False]


# -------------------------------------------------------------------------------------------------------- features


class Counting(Processor):
    """Features of numbers: dense with a NaN, or sparse. A negative number is a value that is not present."""

    def __init__(self, sparse: bool, factor: float = 1.0) -> None:
        self.sparse, self.factor, self.seen = sparse, factor, []

    def features(self, values: Any) -> Features:
        self.seen += list(values)
        present = np.array([v is not None and v >= 0 for v in values], bool)
        matrix = np.zeros((len(values), 4), np.float32)
        for row, v in enumerate(values):
            if present[row]:
                matrix[row, : int(v) % 4] = self.factor * v
        names = ("a", "b", "c", "d")
        if not self.sparse:
            matrix[:, 3][present] = np.nan
            return Features(matrix=matrix, present=present, names=names)
        row, column = np.nonzero(matrix)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(values)))])
        csr = CSR(values=matrix[row, column], indices=column.astype(np.int32), indptr=indptr, width=4)
        return Features(matrix=csr, present=present, names=names)

    def collate(self, values: Any) -> Any:
        raise NotImplementedError

    def shape(self) -> dict[str, int]:
        return {}

    def state(self) -> State:
        return State(arrays={"factor": np.array([self.factor])})


def equal(a: Features, b: Features) -> None:
    assert a.names == b.names
    assert np.array_equal(a.present, b.present)
    if isinstance(a.matrix, CSR):
        for name in ("values", "indices", "indptr"):
            one, other = getattr(a.matrix, name), getattr(b.matrix, name)
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
        assert a.matrix.width == b.matrix.width
    else:
        assert a.matrix.dtype == b.matrix.dtype
        assert np.array_equal(a.matrix, b.matrix, equal_nan=True)


@pytest.mark.parametrize("sparse", [False, True])
def test_features_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sparse: bool, fakes: Any) -> None:
    monkeypatch.setattr(stored, "_COMPUTED", 4)
    monkeypatch.setattr(stored, "_READ", 3)
    store, modality = Store(tmp_path / "store"), fakes.Words()
    values: list[float | None] = [3, None, 7, 4, -1, 3, 9, 2, 12, 1.5]

    def through(values: list, processor: Counting) -> Features:
        cells = Cells(values=values, index=np.arange(len(values)), groups=np.full(len(values), -1))
        with stored.features_space(store, modality, ("config",), processor) as space:
            return stored.features(cells.values, cells.keys, processor, space)

    first = Counting(sparse)
    equal(through(values, first), Counting(sparse).features(values))
    assert first.seen == [3, 7, 4, -1, 9, 2, 12, 1.5]
    again = Counting(sparse)
    equal(through(values[::-1], again), Counting(sparse).features(values[::-1]))
    assert again.seen == []
    values[2] = 8
    equal(through(values, again), Counting(sparse).features(values))
    assert again.seen == [8]
    other = Counting(sparse, factor=2.0)  # has learned something else
    equal(through(values, other), Counting(sparse, factor=2.0).features(values))
    assert len(other.seen) == 8
    for few in ([None], []):
        equal(through(few, again), Counting(sparse).features(few))


def test_other_code_is_another_way(fakes: Any) -> None:
    from consilience.modalities.text import Text

    codes = {stored._code(type(modality).__module__) for modality in (Text(), fakes.Words())}
    assert len(codes) == 2


def test_code_that_modalities_share_belongs_to_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers of sound and film are opened by a file beside the modalities, not within one."""
    from consilience.modalities.audio import Audio

    def code() -> str:
        stored._code.cache_clear()
        return stored._code(Audio.__module__)

    before, read = code(), Path.read_bytes
    assert code() == before
    monkeypatch.setattr(Path, "read_bytes", lambda p: read(p) + (b"#" if p.name == "container.py" else b""))
    assert code() != before
    monkeypatch.undo()
    assert code() == before
