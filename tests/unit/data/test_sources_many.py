"""Several files as one table: patterns, braces, commas, lists; columns that must agree; rows that know their file."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.core.errors import DataError
from consilience.data import sources
from consilience.data.cells import Problem
from consilience.data.check import write_bad_cells
from consilience.data.fingerprint import files
from consilience.data.sources.paths import _braces, expand
from consilience.data.table import BLOCK


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("x,y\n1,u\n\n2,v\n")
    (tmp_path / "data" / "b.csv").write_text("y,x\nw,3\n")
    return tmp_path


@pytest.mark.parametrize(
    "source",
    [
        "data/*.csv",
        "data/{a,b}.csv",
        "data/a.csv,data/b.csv",
        " data/a.csv , data/*b.csv",
        "data",
        Path("data/*.csv"),
        ["data/a.csv", Path("data/b.csv")],
    ],
    ids=str,
)
def test_one_table_from_several_files(folder: Path, source: object) -> None:
    table = sources.read(source)
    assert list(table.rows()) == [{"x": "1", "y": "u"}, {"x": "2", "y": "v"}, {"x": "3", "y": "w"}]
    assert [(Path(table.file(r)).name, table.line(r)) for r in range(3)] == [("a.csv", 2), ("a.csv", 4), ("b.csv", 2)]
    assert table.root == (folder / "data").absolute()
    assert [path.name for path in files(source) or []] in (["a.csv", "b.csv"], ["data"])


def test_rows_keep_their_file_when_some_are_taken(folder: Path) -> None:
    some = sources.read("data/*.csv").take([2, 0])
    assert [(Path(some.file(r)).name, some.line(r)) for r in range(2)] == [("b.csv", 2), ("a.csv", 2)]
    write_bad_cells([Problem(row=0, column="x", reason="bad")], folder / "bad.csv", table=some)
    with (folder / "bad.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert line == {"row": "2", "column": "x", "reason": "bad", "file": "data/b.csv"}


def test_columns_that_differ_are_named(folder: Path) -> None:
    (folder / "data" / "c.csv").write_text("x,z\n1,2\n")
    with pytest.raises(DataError, match=r"c\.csv: lacks 'y' and has 'z' besides") as error:
        sources.read("data/*.csv")
    assert "b.csv" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("data/*.tsv", "no file matches"),
        ("data/a.csv,data/none.csv", "none.csv: no such file"),
        ("data/a.csv,,data/b.csv", "is empty"),
        ("data/a.csv,data/*.csv", "meant twice"),
        ("data/{a,b,c}.csv", "c.csv: no such file"),
        ("data/{1..999999999}.csv", "more than"),
        ("none.csv", "no such file"),
        ("a\0b", "NUL"),
    ],
)
def test_what_is_wrong_with_the_names(folder: Path, source: str, says: str) -> None:
    with pytest.raises(DataError, match=re.escape(says)):
        sources.read(source)


def test_files_of_two_kinds_are_no_table(folder: Path) -> None:
    (folder / "data" / "c.jsonl").write_text('{"x": 1, "y": "u"}\n')
    with pytest.raises(DataError, match="one kind"):
        sources.read("data")


def test_an_existing_file_is_meant_whatever_its_name(folder: Path) -> None:
    (folder / "a,{b,c}*.csv").write_text("x\n1\n")
    assert list(sources.read("a,{b,c}*.csv")["x"]) == ["1"]


def test_packed_files(folder: Path) -> None:
    content = gzip.compress(b"x,y\n1,\xe4\xbd\xa0\n2,b\n")
    (folder / "p.csv.gz").write_bytes(content)
    assert list(sources.read("p.csv.gz").rows()) == [{"x": "1", "y": "你"}, {"x": "2", "y": "b"}]
    (folder / "p.csv.gz").write_bytes(content[:-9])
    with pytest.raises(DataError, match="cut off"):
        sources.read("p.csv.gz")
    (folder / "p.csv.gz").write_bytes(b"x,y\n1,2\n")
    plain = sources.read("p.csv.gz")
    assert list(plain.rows()) == [{"x": "1", "y": "2"}]
    assert "not packed" in plain.notes[0]
    (folder / "p.csv.gz").write_bytes(gzip.compress(b"x\n1\n\xff\xfe\n"))
    with pytest.raises(DataError, match="line 3, byte 4: the file is not UTF-8"):
        sources.read("p.csv.gz")


def test_blocks_across_files(folder: Path) -> None:
    for n, rows in enumerate((BLOCK - 1, 3, 2 * BLOCK)):
        lines = "\n".join(f"{n}-{r}" for r in range(rows))
        (folder / f"long{n}.csv").write_text(f"x\n{lines}\n")
    table = sources.read("long{0..2}.csv")
    cells = list(table["x"])
    assert cells == [f"{n}-{r}" for n, rows in enumerate((BLOCK - 1, 3, 2 * BLOCK)) for r in range(rows)]
    assert [table["x"][r] for r in (0, BLOCK, len(cells) - 1)] == [cells[r] for r in (0, BLOCK, len(cells) - 1)]
    assert table["x"][BLOCK - 2 : BLOCK + 5] == cells[BLOCK - 2 : BLOCK + 5]


@given(st.text(alphabet="ab{},.*01", max_size=12))
def test_braces_never_fail_and_names_without_them_stay(text: str) -> None:
    names = _braces(text)
    assert names
    if not ({"{", "}"} <= set(text)):
        assert names == [text]


@given(first=st.integers(0, 30), last=st.integers(0, 30), width=st.integers(2, 4))
def test_ranges_count(first: int, last: int, width: int) -> None:
    names = _braces("s-{" + f"{first:0{width}}..{last:0{width}}" + "}.tar")
    step = 1 if first <= last else -1
    assert names == [f"s-{n:0{width}}.tar" for n in range(first, last + step, step)]


def test_a_folder_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no table and no media file"):
        sources.read(tmp_path / "empty")
    assert expand(tmp_path / "empty") == [tmp_path / "empty"]
