"""What is said of a column that nobody claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience.data import leftover
from consilience.data.infer import known_kinds
from consilience.modalities import MODALITIES
from consilience.modalities.base import ColumnSample

PARTS = {name: MODALITIES.load(name)() for name in MODALITIES}
KINDS = known_kinds(PARTS)


def seen(cells, *, name="c", root=Path(".")) -> ColumnSample:
    return ColumnSample(name=name, cells=cells, rows=len(cells), distinct=len(set(cells)), root=root)


def hint(cells, **more) -> str:
    return leftover.hint_of(seen(cells, **more), PARTS, KINDS)


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ([f"https://img.example.org/{n}" for n in range(9)], "--allow-url img.example.org"),
        ([f"http://user:secret@h.example:8080/{n}?q=1" for n in range(9)], "--allow-url h.example:8080"),
        ([f"s3://bucket/{n}" for n in range(6)] + ["none", "n/a", "?"], "--allow-url bucket"),
        (["http://[::1/x"] * 3, "--allow-url HOST"),
    ],
)
def test_urls_name_the_host_to_allow(urls, said) -> None:
    found = hint(urls)
    assert found.startswith("URLs (")
    assert said in found
    assert "secret" not in found
    assert "--input c=KIND:c (image, audio, video)" in found


def test_paths_of_which_few_are_there_say_how_many_and_where(tmp_path) -> None:
    for n in range(4):
        (tmp_path / f"{n}.dcm").write_bytes(b"no picture")
    found = hint([f"{n}.dcm" for n in range(20)], root=tmp_path)
    assert f"4 of 20 that were looked up are there under {tmp_path}" in found
    assert "--media-root" in found
    assert "0 of 20 that were looked up" in hint([f"scans\\\\{n}.dcm" for n in range(40)])


@pytest.mark.parametrize(
    ("ending", "kind"), [(".png", "image"), (".wav", "audio"), (".mp4", "video")], ids=lambda v: v.strip(".")
)
def test_some_names_of_files_among_others(ending, kind) -> None:
    found = hint([f"{n}{ending}" if n % 4 == 0 else str(n) for n in range(40)])
    assert f"10 of 40 cells looked at are names of {kind} files: read those with --input c={kind}:c" in found


def test_a_minority_of_texts_may_be_read_as_words() -> None:
    assert "10 of 40 cells are texts: read all as words with --input c=text:c" in hint(
        ["as it was said"] * 10 + ["10.0.0.1"] * 30
    )


def test_dates_and_fractions_are_no_paths() -> None:
    assert leftover._paths(seen(["03/04/2020", "1/2", "5/6/2021 10:30"]), ["image"]) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lat, lon", """--input 'lat, lon=KIND:"lat, lon"'"""),
        ("a=b", "--input a_b=KIND:a=b"),
        ("size $", "--input 'size $=KIND:size $'"),
    ],
)
def test_what_is_to_be_typed_can_be_typed(name, said) -> None:
    import shlex

    from consilience.data.infer import parse_input

    column = seen([b"\0"], name=name)
    assert column.as_input("KIND") == said
    assert parse_input(shlex.split(said)[1])[1:] == ("KIND", (name,))
    assert shlex.split(column.as_ignored()) == ["--ignore", name]


NAMES = [
    "size",
    "a b",
    'it\'s "odd"',
    "a=b:c,d",
    "$HOME `x`",
    "-dash",
    "--input",
    " padded ",
    "two\nlines",
    "Größe; cm²",
]
CELLS = {
    "phone": [f"+49 170 {5780883 + 7919 * n}" for n in range(40)],
    "range": [f"{n}-{n + 5}" for n in range(40)],
    "either order": [f"{n % 12 + 1:02d}/{n % 11 + 1:02d}/2020" for n in range(40)],
    "units": [f"{n} {'kg' if n % 2 else 'cm'}" for n in range(40)],
    "addresses": [f"10.0.0.{n}" for n in range(40)],
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", CELLS)
def test_every_hint_can_be_pasted_into_a_shell_whatever_the_column_is_called(kind, name) -> None:
    import shlex

    from consilience.cli import parser
    from consilience.data.infer import parse_input

    said = hint(CELLS[kind], name=name)
    column = seen(CELLS[kind], name=name)
    for words in (column.as_ignored(), *(column.as_input(k) for k in ("category", "date_dmy", "date_mdy"))):
        args = parser("fit").parse_args(["fit", "t.csv", "--target", "y", *shlex.split(words)])
        if args.ignore:
            assert args.ignore == [name]
        else:
            assert parse_input(args.input[0])[2] == (name,)
    assert column.as_ignored() in said
    assert column.as_input("category") in said or column.as_input("date_dmy") in said


def test_of_very_many_columns_the_rest_is_one_warning() -> None:
    said = leftover.warnings({f"c{n}": "why: how" for n in range(50)})
    assert len(said) == 21
    assert said[0] == "column 'c0' is left out: why: how"
    assert said[-1].startswith("30 more columns are left out")
    assert "c49" in said[-1]
