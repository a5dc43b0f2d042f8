"""Columns to inputs, with small modalities that claim what they are told to."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from consilience.core.errors import DataError, UserError
from consilience.core.registry import Family
from consilience.data.infer import infer, parse_input, sample
from consilience.data.table import LazyColumn, Table

FAKES = Family("modality", {n.lower(): f"fakes_for_data:{n}" for n in ("Words", "Rows", "Blob")})
RIVALS = Family("modality", {n.lower(): f"fakes_for_data:{n}" for n in ("Rival", "Words", "Rows")})


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("fakes")))
    assert sys.path[0].endswith("fakes")


def table(**columns) -> Table:
    return Table(columns=columns, name="t.csv", root=Path("."))


SHOP = {
    "photo": ["a.bin", "b.bin", None, "c.bin", "a.bin", "d.bin"],
    "price": ["1", "2.5", "", None, "3", "4"],
    "size": ["S", "M", "S", "S", "M", "S"],
    "review": ["good", "bad it is", "fine", "so so", "well", "no"],
    "nothing": [None, "", "  ", None, None, None],
    "label": ["x", "y", "x", "y", "x", "y"],
    "id": ["7", "8", "9", "10", "11", "12"],
}


def test_every_column_finds_its_place() -> None:
    found = infer(table(**SHOP), target="label", ignore=["id"], modalities=FAKES)
    plans = {name: (p.modality, p.columns, p.kinds) for name, p in found.inputs.items()}
    assert plans == {
        "photo": ("blob", ("photo",), ("blob",)),
        "table": ("rows", ("price", "size"), ("number", "label")),
        "review": ("words", ("review",), ("words",)),
    }
    reports = {r.name: r for r in found.columns}
    assert list(reports) == list(SHOP)
    assert {n: (r.kind, r.input) for n, r in reports.items()} == {
        "photo": ("blob", "photo"),
        "price": ("number", "table"),
        "size": ("label", "table"),
        "review": ("words", "review"),
        "nothing": ("empty", None),
        "label": ("target", None),
        "id": ("ignored", None),
    }
    assert reports["nothing"].reason == "no cell in it"
    assert reports["photo"].reason == "names of blobs"
    assert reports["photo"].missing == pytest.approx(1 / 6)
    assert reports["price"].missing == pytest.approx(2 / 6)
    assert reports["nothing"].missing == 1
    assert (reports["photo"].distinct, reports["label"].distinct) == (4, 2)
    assert set(reports["size"].examples) == {"S", "M"}


def test_the_plan_does_not_depend_on_the_order_of_rows() -> None:
    order = [3, 0, 5, 2, 4, 1]
    mixed = {name: [cells[i] for i in order] for name, cells in SHOP.items()}
    assert infer(table(**mixed), target="label", modalities=FAKES) == infer(
        table(**SHOP), target="label", modalities=FAKES
    )


def test_ties_go_to_the_modality_listed_first() -> None:
    found = infer(table(n=["1", "2"], y=["a", "b"]), target="y", modalities=RIVALS)
    assert found.inputs["table"].modality == "rival"


def test_a_column_called_table_keeps_its_name() -> None:
    found = infer(table(table=["some words", "more of it"], n=["1", "2"], y=[1, 2]), target="y", modalities=FAKES)
    assert {name: plan.columns for name, plan in found.inputs.items()} == {"table": ("table",), "table_1": ("n",)}
    taken = infer(table(n=["1"], m=["2"], y=[1]), target="y", assigned={"table": ("words", ["m"])}, modalities=FAKES)
    assert {name: plan.columns for name, plan in taken.inputs.items()} == {"table_1": ("n",), "table": ("m",)}


def test_assigned_inputs_override_what_a_column_looks_like() -> None:
    found = infer(
        table(**SHOP),
        target="label",
        assigned={"both": ("words", ["size", "price"]), "numbers": ("rows", ["id"]), "empty": ("file", ["nothing"])},
        modalities=FAKES,
    )
    both, numbers, empty = (found.inputs[n] for n in ("both", "numbers", "empty"))
    assert (both.modality, both.columns, both.kinds) == ("words", ("size", "price"), ("words", "words"))
    assert (numbers.modality, numbers.kinds) == ("rows", ("number",))  # the modality said which of its kinds
    assert (empty.modality, empty.kinds) == ("blob", ("file",))
    assert "table" not in found.inputs
    assert "assigned to input 'both'" in next(r.reason for r in found.columns if r.name == "price")


TRACKS = Family("modality", {n.lower(): f"fakes_for_data:{n}" for n in ("Words", "Rows", "Track", "Blob")})


def test_what_the_owner_does_not_read_is_an_input_of_its_own() -> None:
    found = infer(table(**{**SHOP, "photo_track": ["x y", "z"] * 3}), target="label", modalities=TRACKS)
    plan = found.inputs["photo_track_1"]
    assert (plan.modality, plan.columns, plan.kinds) == ("track", ("photo",), ("track",))
    assert found.inputs["photo"].modality == "blob"
    report = next(r for r in found.columns if r.name == "photo")
    assert (report.input, report.reason) == ("photo", "names of blobs; blobs have tracks")


def test_a_column_may_be_given_to_two_modalities_by_hand() -> None:
    given = {"a": ("blob", ["photo"]), "b": ("track", ["photo"])}
    found = infer(table(**SHOP), target="label", assigned=given, modalities=TRACKS)
    assert {n: found.inputs[n].modality for n in given} == {"a": "blob", "b": "track"}
    assert "photo_track" not in found.inputs
    with pytest.raises(DataError, match="given to two inputs"):
        infer(table(**SHOP), target="label", assigned={**given, "b": ("blob", ["photo"])}, modalities=TRACKS)


def test_all_contradictions_are_told_at_once() -> None:
    given = {"a": ("wrds", ["price", "label"]), "b": ("words", ["price", "id", "fto"]), "review": ("words", ["size"])}
    with pytest.raises(DataError) as caught:
        infer(table(**SHOP), target="label", ignore=["id", "nosuch"], assigned=given, modalities=FAKES)
    message = str(caught.value)
    for said in (
        "unknown ignored column 'nosuch'",
        "input 'a': unknown kind 'wrds'. Did you mean 'words'?",
        "unknown column of input 'b' 'fto'",
        "column 'label' is the target and cannot be part of input 'a'",
        "column 'id' is ignored and cannot be part of input 'b'",
        "column 'price' is given to two inputs, 'a' and 'b'",
        "input 'review' is called like a column",
    ):
        assert said in message


def test_an_unknown_or_ignored_target() -> None:
    with pytest.raises(DataError, match=r"unknown target 'lable'\. Did you mean 'label'"):
        infer(table(**SHOP), target="lable", modalities=FAKES)
    with pytest.raises(DataError, match="both the target and ignored"):
        infer(table(**SHOP), target="label", ignore=["label"], modalities=FAKES)


def test_a_column_nobody_claims_says_how_to_go_on() -> None:
    with pytest.raises(DataError, match=r"(?s)t.csv: column 'raw'.*<5 bytes>.*--input raw=KIND:raw.*--ignore raw"):
        infer(table(raw=[b"blob!"], y=[1]), target="y", modalities=FAKES)


def test_no_input_left() -> None:
    with pytest.raises(DataError, match="no column is left to learn from"):
        infer(table(y=["a"], z=[None]), target="y", modalities=FAKES)


def test_an_ignored_column_is_not_even_looked_at() -> None:
    def fail(begin: int, end: int) -> list:
        raise DataError("looked at")

    columns = {"n": ["1"], "nested": LazyColumn(1, fail), "y": ["a"]}
    assert list(infer(table(**columns), target="y", ignore=["nested"], modalities=FAKES).inputs) == ["table"]
    with pytest.raises(DataError, match="looked at"):
        infer(table(**columns), target="y", modalities=FAKES)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("photo=image:path", ("photo", "image", ("path",))),
        (" t = number : a , b ", ("t", "number", ("a", "b"))),
        ('t=x:"a,b",c:d', ("t", "x", ("a,b", "c:d"))),
        ("t=x:a=b", ("t", "x", ("a=b",))),
    ],
)
def test_inputs_from_the_command_line(text: str, parsed: tuple) -> None:
    assert parse_input(text) == parsed


@pytest.mark.parametrize(
    "text", ["", "photo", "photo=image", "=image:a", "a=:b", "a=b:", "a=b:c,,d", 'a=b:"c', "a=b:c,c"]
)
def test_inputs_that_cannot_be_understood(text: str) -> None:
    with pytest.raises(UserError, match="--input"):
        parse_input(text)


def test_a_sample_depends_on_the_cells_and_not_on_their_order() -> None:
    cells = [f"cell {i % 1700}" for i in range(5000)] + [None, " "] * 50
    first = sample(table(c=cells), "c")
    random.Random(1).shuffle(cells)
    second = sample(table(c=cells), "c")
    assert first == second
    assert (len(first.cells), first.rows) == (1000, 5100)
    assert first.distinct == len(set(first.cells))


def test_a_sample_has_frequent_cells_frequently() -> None:
    cells = ["often"] * 9000 + [f"rare {i}" for i in range(1000)]
    share = list(sample(table(c=cells), "c").cells).count("often") / 1000
    assert 0.85 < share < 0.95


def test_a_sample_of_a_long_column_covers_all_of_it() -> None:
    cells = list(range(250_000))
    chosen = sample(table(c=cells), "c").cells
    quarters = [sum(a <= c < a + 62_500 for c in chosen) for a in range(0, 250_000, 62_500)]
    assert min(quarters) > 180


def test_words_for_nothing_are_missing_where_the_modality_says_so():
    columns = {
        "number": ["1.5", "NA", "2.25", "-"] * 30,
        "category": ["red", "N/A", "blue", "red"] * 30,
        "text": [f"NA is the story number {n}" for n in range(119)] + ["NA"],
        "y": ["a", "b"] * 60,
        "z": ["1", "NA", "2"] * 40,
    }
    table = Table(columns=columns, name="t", root=Path())
    found = {report.name: (report.missing, report.distinct) for report in infer(table, target=("y", "z")).columns}
    assert found.pop("z") == (pytest.approx(1 / 3), 2)
    assert found == {"number": (0.5, 2), "category": (0.25, 2), "text": (0.0, 120), "y": (0.0, 2)}
