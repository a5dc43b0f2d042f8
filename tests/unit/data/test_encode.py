"""Encoding: each distinct content once, looked up before it is decoded, and the same vectors however it was cut off."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from consilience.core.registry import Family
from consilience.data.cells import Dataset
from consilience.data.encode import Encoding
from consilience.data.infer import InputPlan
from consilience.data.loader import load
from consilience.data.store import Store
from consilience.data.table import Table

FAKES = Family("modality", {"words": "fakes_for_data:Words", "blob": "fakes_for_data:Blob"})


class Letters:
    """Vectors of the first letters, and, as some kernels do, a last digit that depends on the size of the batch."""

    name, width, fingerprint = "letters", 3, hashlib.sha256(b"letters").hexdigest()

    def __init__(self) -> None:
        self.batches: list[list] = []
        self.stop_after = 10**9

    def about(self):
        return {"fingerprint": self.fingerprint}

    def length(self, value):
        return len(value[0]) if isinstance(value, tuple) else 1

    def encode(self, values):
        if len(self.batches) >= self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(list(values))
        return [self.vector(value) + np.float32(len(values) * 1e-3) for value in values]

    def vector(self, value):
        text = value if isinstance(value, bytes) else value[0].encode()
        return np.array([[len(text), text[0], text[-1]]], np.float32)

    @property
    def encoded(self) -> int:
        return sum(map(len, self.batches))


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("fakes")))


def run(table: Table, modality: str, encoding: Encoding, **options) -> Dataset:
    plan = InputPlan(name="in", modality=modality, columns=tuple(table.columns), kinds=(modality,))
    options = {"workers": 0, **options}
    return load(table, {"in": plan}, {"in": ["c"]}, modalities=FAKES, encodings={"in": encoding}, **options)


def words(cells: list) -> Table:
    return Table(columns={"c": cells}, name="t", root=Path("."))


def blobs(folder: Path, contents: list[bytes | None]) -> Table:
    for i, content in enumerate(contents):
        if content is not None:
            (folder / f"{i}.bin").write_bytes(content)
    return Table(columns={"c": [f"{i}.bin" for i in range(len(contents))]}, name="t", root=folder)


def rows_of(dataset: Dataset) -> list:
    """The first vector of each row's cell as a list; None where it has none."""
    cells = dataset.inputs["in"]
    values = [None if cells.values[u] is None else cells.values[u][0].round().tolist() for u in cells.index]
    return values


def exact(dataset: Dataset) -> list:
    cells = dataset.inputs["in"]
    return [None if cells.values[u] is None else cells.values[u].tobytes() for u in cells.index]


def test_distinct_cells_once_and_the_missing_ones_not_at_all() -> None:
    letters = Letters()
    encoding = Encoding(backbone=letters)
    found = run(words(["ab", None, "xyz", "ab", " "]), "words", encoding)
    assert rows_of(found) == [[2, 97, 98], None, [3, 120, 122], [2, 97, 98], None]
    assert letters.encoded == 2
    assert (encoding.tally.distinct, encoding.tally.encoded) == (2, 2)


def test_what_the_store_has_is_neither_decoded_nor_encoded(tmp_path: Path) -> None:
    table, store = blobs(tmp_path, [b"0001", b"0002", b"0001", b"0003"]), Store(tmp_path / "store")
    first = run(table, "blob", Encoding(backbone=Letters(), store=store))
    letters = Letters()
    (tmp_path / "4.bin").write_bytes(b"0004")
    more = Table(columns={"c": [*table.columns["c"], "4.bin"]}, name="t", root=tmp_path)
    encoding = Encoding(backbone=letters, store=store)
    again = run(more, "blob", encoding)
    assert letters.batches == [[b"0004"]]
    assert (encoding.tally.distinct, encoding.tally.encoded) == (4, 1)
    assert exact(again)[:4] == exact(first)
    np.testing.assert_array_equal(again.inputs["in"].groups[:4], first.inputs["in"].groups)
    assert first.inputs["in"].groups[0] == first.inputs["in"].groups[2]


def test_another_backbone_or_way_of_loading_finds_nothing(tmp_path: Path) -> None:
    table, store = blobs(tmp_path, [b"0001", b"0002"]), Store(tmp_path / "store")
    run(table, "blob", Encoding(backbone=Letters(), store=store))
    other = Letters()
    other.fingerprint = hashlib.sha256(b"other").hexdigest()
    run(table, "blob", Encoding(backbone=other, store=store))
    assert other.encoded == 2
    third = Letters()
    plan = InputPlan(name="in", modality="blob", columns=("c",), kinds=("blob",))
    encodings = {"in": Encoding(backbone=third, store=store)}
    load(table, {"in": plan}, {"in": ["other"]}, modalities=FAKES, encodings=encodings, workers=0)
    assert third.encoded == 2


@pytest.mark.parametrize("stored", [False, True])
def test_bad_cells_are_reported_by_row_every_time(tmp_path: Path, stored: bool) -> None:
    table = blobs(tmp_path, [b"0001", b"bad!", None, b"bug!", b"nil!", b"bad!"])
    store = Store(tmp_path / "store") if stored else None
    for _ in range(2):
        found = run(table, "blob", Encoding(backbone=Letters(), store=store))
        assert [v is None for v in rows_of(found)] == [False, True, True, True, True, True]
        reasons = [(p.row, p.column, p.reason) for p in found.inputs["in"].problems]
        assert [row for row, _, _ in reasons] == [1, 2, 3, 5]
        assert {reason for row, _, reason in reasons if row in (1, 5)} == {"the blob is bad"}
        assert (found.inputs["in"].groups >= 0).tolist() == [True, False, False, False, False, False]


def test_remarks_of_cells_that_are_not_media_are_never_lost(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for _ in range(2):
        found = run(words(["ab", "bad one"]), "words", Encoding(backbone=Letters(), store=store))
        assert [(p.row, p.reason) for p in found.inputs["in"].problems] == [(1, "7 letters of badness")]


def test_batches_are_of_like_length_and_do_not_hang_on_the_order_of_rows() -> None:
    cells = [letter * length for letter in "abc" for length in (1, 5, 900)]
    one, other = Letters(), Letters()
    straight = run(words(cells), "words", Encoding(backbone=one, batch=4))
    reverse = run(words(cells[::-1]), "words", Encoding(backbone=other, batch=4))
    assert exact(reverse) == exact(straight)[::-1]
    assert max(map(len, one.batches)) <= 4
    lengths = [[len(value[0]) for value in batch] for batch in one.batches]
    assert lengths == [sorted(batch) for batch in lengths]
    assert [max(batch) for batch in lengths] == sorted(max(batch) for batch in lengths)
    long = Letters()
    run(words([c * 5_000 for c in "abcd"]), "words", Encoding(backbone=long, batch=4))
    assert [len(batch) for batch in long.batches] == [1] * 4


def test_a_backbone_whose_vectors_are_all_there_is_asked_nothing(tmp_path: Path) -> None:
    """Not even for lengths: that would load its tokeniser."""
    store, letters = Store(tmp_path / "store"), Letters()
    first = run(words(["ab", "c"]), "words", Encoding(backbone=Letters(), store=store))
    letters.length = letters.encode = None  # type: ignore[assignment, method-assign]
    again = run(words(["ab", "c"]), "words", Encoding(backbone=letters, store=store))
    assert rows_of(again) == rows_of(first)


def test_an_encoding_that_was_cut_off_goes_on_to_the_same_vectors(tmp_path: Path) -> None:
    table = blobs(tmp_path, [b"%04d" % n for n in range(50)])
    whole, cut = Store(tmp_path / "whole"), Store(tmp_path / "cut")
    want = exact(run(table, "blob", Encoding(backbone=Letters(), store=whole, batch=8)))
    stopping = Letters()
    stopping.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        run(table, "blob", Encoding(backbone=stopping, store=cut, batch=8))
    rest = Letters()
    assert exact(run(table, "blob", Encoding(backbone=rest, store=cut, batch=8))) == want
    assert rest.encoded == 50 - 24


def test_worker_processes_give_the_same_vectors(tmp_path: Path) -> None:
    """Also when one of them dies of a cell."""
    contents = [b"%04d" % n for n in range(300)]
    contents[77] = b"die!"
    table, ticks = blobs(tmp_path, contents), []
    letters = Letters()
    found = run(
        table,
        "blob",
        Encoding(backbone=letters, batch=16),
        workers=2,
        progress=lambda done, total: ticks.append((done, total)),
    )
    assert [p.reason for p in found.inputs["in"].problems] == ["the decoder crashed"]
    assert [n for n, v in enumerate(rows_of(found)) if v is None] == [77]
    assert ticks[-1] == (300, 300)
    contents[77] = b"bad!"
    (tmp_path / "77.bin").write_bytes(b"bad!")
    here = run(table, "blob", Encoding(backbone=Letters(), batch=16))
    assert rows_of(here) == rows_of(found)
