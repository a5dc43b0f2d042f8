"""Columns to inputs, with small modalities that claim what they are told to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from consilience.core.errors import DataError, UserError
from consilience.core.registry import Family
from consilience.data.infer import infer, parse_input
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


def test_where_no_column_is_left_all_are_told_at_once() -> None:
    with pytest.raises(DataError) as caught:
        infer(table(raw=[b"blob!"], list=[(1, 2)], y=[1]), target="y", modalities=FAKES)
    said = str(caught.value)
    assert said.startswith("t.csv: no column is left to learn from (1 rows, target 'y')")
    assert "column 'raw': nothing here recognises it (cells like <5 bytes>): say what it is with" in said
    assert "--input raw=KIND:raw" in said
    assert "--ignore raw" in said
    assert "column 'list': it holds lists" in said


N = 120
ODD = {
    "url": [f"https://www.example.org/{n}" for n in range(N)],
    "ip": [f"10.0.{n}.{n % 7}" for n in range(N)],
    "phone": [f"+1 555 {n:04}" for n in range(N)],
    "scans": [f"scans/{n:04}.dcm" for n in range(N)],
    "bytes": [bytes([n, 0, 7, 255]) for n in range(N)],
    "list": [(n, n + 1) for n in range(N)],
    "junk": [[f"{n}:{n}", "->", b"x\0", "1/2/3", "::"][n % 5] for n in range(N)],
}


@pytest.mark.parametrize("name", ODD)
def test_one_odd_column_stops_nothing(name: str) -> None:
    found = infer(table(n=[n / 7 for n in range(N)], **{name: ODD[name]}, y=["a", "b"] * (N // 2)), target="y")
    assert found.inputs["table"].columns[0] == "n"
    report = next(r for r in found.columns if r.name == name)
    if report.kind == "unknown":  # what a modality learns to read one day is not left out any more
        assert (report.input, report.modality) == (None, None)
        assert f"--ignore {name}" in report.hint
        assert found.left_out == {name: f"{report.reason}: {report.hint}"}


def test_all_odd_columns_are_told_of_at_once() -> None:
    found = infer(table(n=[n / 7 for n in range(N)], **ODD, y=["a", "b"] * (N // 2)), target="y")
    assert {"url", "scans", "bytes", "list", "junk"} <= found.left_out.keys()
    assert "n" in found.inputs["table"].columns


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("e-mail", [f"somebody.{n}@example.org" for n in range(N)]),
        ("uuid", [f"{n:08x}-aaaa-4bbb-8ccc-{n * 7919:012x}" for n in range(N)]),
        ("hash", [f"{n * 2654435761 % 2**32:08x}f{n:07x}" for n in range(N)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_words_that_hardly_repeat_stay_texts(name, cells) -> None:
    assert infer(table(**{name: cells}, n=[1.5] * N, y=["a", "b"] * (N // 2)), target="y").inputs[name].kinds == (
        "text",
    )


def test_no_input_left() -> None:
    with pytest.raises(DataError, match="no column is left to learn from"):
        infer(table(y=["a"], z=[None]), target="y", modalities=FAKES)


def test_an_ignored_column_is_not_even_looked_at() -> None:
    def fail(begin: int, end: int) -> list:
        raise DataError("looked at")

    columns = {"n": ["1"], "nested": LazyColumn(1, fail), "y": ["a"]}
    assert list(infer(table(**columns), target="y", ignore=["nested"], modalities=FAKES).inputs) == ["table"]


def test_a_column_that_cannot_be_read_is_left_out_unless_it_is_asked_for() -> None:
    def fail(begin: int, end: int) -> list:
        raise DataError("row 1 holds a value of type dict")

    columns = {"n": ["1"], "nested": LazyColumn(1, fail), "y": ["a"]}
    found = infer(table(**columns), target="y", modalities=FAKES)
    assert list(found.inputs) == ["table"]
    assert found.left_out == {"nested": "row 1 holds a value of type dict: leave it out with --ignore nested"}
    for asked in ({"target": "nested"}, {"target": "y", "assigned": {"w": ("words", ["nested"])}}):
        with pytest.raises(DataError, match="holds a value"):
            infer(table(**columns), modalities=FAKES, **asked)


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
