"""CSV: what goes in comes out, and what is wrong is said with its line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.core.errors import DataError
from consilience.data import sources

# Everything UTF-8 can hold except NUL; the empty text reads as missing.
CELLS = st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))


def put(folder: Path, content: bytes | str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        sources.read(path, **options)
    message = str(caught.value)
    assert str(path) in message
    return message


@settings(deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS)), name=st.sampled_from(["t.csv", "t.tsv"]))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list, name: str) -> None:
    path = tmp_path_factory.mktemp("csv") / name
    columns = {"first": [a for a, _ in rows], "second, with a comma": [b for _, b in rows]}
    sources.write(columns, path)
    table = sources.read(path)
    assert {name: list(cells) for name, cells in table.columns.items()} == columns
    assert len(table) == len(rows)


@settings(deadline=None)
@given(st.lists(CELLS))
def test_a_single_column_keeps_its_empty_cells(tmp_path_factory: pytest.TempPathFactory, cells: list) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    sources.write({"only": cells}, path)
    assert list(sources.read(path)["only"]) == cells


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = put(tmp_path_factory.mktemp("csv"), content)
    try:
        table = sources.read(path)
    except DataError:
        assert refused(path)  # which names the file
    else:
        assert {len(cells) for cells in table.columns.values()} == {len(table)}


def test_lines_are_counted_through_quoted_breaks_and_blank_lines(tmp_path: Path) -> None:
    path = put(tmp_path, '\ufefftext,n\r\n"two\r\nlines",1\r\n\r\n   \r\nplain,\r\nlast,3')
    table = sources.read(path)
    assert list(table.columns) == ["text", "n"]
    assert list(table["text"]) == ["two\r\nlines", "plain", "last"]
    assert list(table["n"]) == ["1", None, "3"]
    assert [table.line(r) for r in range(3)] == [2, 6, 7]


def test_plain_files_need_no_list_of_lines(tmp_path: Path) -> None:
    table = sources.read(put(tmp_path, "a,b\n1,2\n3,4\n"))
    assert table.lines is None
    assert [table.line(0), table.line(1)] == [2, 3]
    assert table.root == tmp_path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_separator_is_recognised(tmp_path: Path, delimiter: str) -> None:
    rows = [["id", "a text; with, signs", "n"], ["1", "x, y, z", "1,5"], ["2", "p; q", "2"]]
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    assert list(sources.read(path).columns) == rows[0]


def test_the_rows_decide_when_the_header_fits_two_separators(tmp_path: Path) -> None:
    table = sources.read(put(tmp_path, "id;a, b\n1;x\n2;y\n"))
    assert list(table.columns) == ["id", "a, b"]


def test_a_file_longer_than_the_look_ahead(tmp_path: Path) -> None:
    rows = "".join(f"{i};{'word ' * 5}\n" for i in range(20_001))
    table = sources.read(put(tmp_path, "id;text\n" + rows))
    assert len(table) == 20_001
    assert table["id"][20_000] == "20000"


def test_huge_cells_are_read_and_the_limit_of_the_csv_module_is_put_back(tmp_path: Path) -> None:
    before = 131_072
    csv.field_size_limit(before)
    table = sources.read(put(tmp_path, "a,b\n" + "x" * 300_000 + ",1\n"))
    assert len(table["a"][0]) == 300_000
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("a,b\n1,2\n3\n", "line 3: 1 cells"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: 3 cells"),
        ("a,b,a\n1,2,3\n", "line 1: two columns are called 'a'"),
        ("a,,c\n1,2,3\n", "line 1: column 2 has no name"),
        (",a\n0,x\n", "index=False"),
        ("a,b\n1,x\0y\n", "line 2: a NUL byte"),
        ("\na\0,b\n1,2\n", "line 2: a NUL byte"),
        ('a,b\n1,2\n3,"open\n4,5\n', "line 3: a quoted cell opened in this row is never closed"),
        ('a,b\n1,"x"y\n', "line 2: text follows a closing quote"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in refused(put(tmp_path, content))


def test_a_nul_byte_is_found_in_later_blocks_too(tmp_path: Path) -> None:
    content = "a,b\n" + "1,2\n" * 25_000 + "1,\0\n"
    assert "line 25002: a NUL byte" in refused(put(tmp_path, content))


def test_only_a_header_is_a_table_without_rows(tmp_path: Path) -> None:
    table = sources.read(put(tmp_path, "a,b\n"))
    assert (list(table.columns), len(table)) == (["a", "b"], 0)


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        ("a,b\n1,caf\u00e9\n", "latin-1", "Latin-1"),
        ("a,b\n1,r\u00e9d \u00e9t\u00e9\n", "latin-1", "Latin-1"),  # of which GB18030 would make signs
        ("a,b\n1,\u4f60\u597d\u4e16\u754c\n", "gb18030", "GB18030"),
    ],
)
def test_other_encodings_are_refused_with_a_hint(tmp_path: Path, text: str, encoding: str, guess: str) -> None:
    path = put(tmp_path, text.encode(encoding))
    message = refused(path)
    first = next(i for i, byte in enumerate(path.read_bytes()) if byte > 127)
    assert f"line 2, byte {first}" in message
    assert guess in message
    assert sources.read(path, encoding=encoding)["b"][0] == text.split(",")[-1].strip()


def test_the_place_counts_the_byte_order_mark(tmp_path: Path) -> None:
    assert "line 1, byte 4" in refused(put(tmp_path, b"\xef\xbb\xbfa\xff,b\n"))


def test_wrong_and_unknown_encodings(tmp_path: Path) -> None:
    assert "UTF-16LE" in refused(put(tmp_path, "a,b\n1,2\n".encode("utf-16-le")))
    assert "line 2, byte 6: the file is not ascii" in refused(put(tmp_path, "a,b\n1,\u00e9\n"), encoding="ascii")
    assert "klingon" in refused(put(tmp_path, "a,b\n"), encoding="klingon")


def test_numbers_keep_every_digit_and_missing_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    sources.write({"x": [0.1 + 0.2, 1e-300, float("nan"), None], "n": [1, True, 10**20, "a"]}, path)
    assert path.read_text() == "x,n\n0.30000000000000004,1\n1e-300,True\n,100000000000000000000\n,a\n"


def test_cells_csv_cannot_hold_leave_no_file(tmp_path: Path) -> None:
    for cell, said in [("x\0", "NUL"), (b"x", "bytes"), ([[1]], "list"), ("\ud800", "surrogate")]:
        with pytest.raises(DataError, match=said):
            sources.write({"x": [cell]}, tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "empty"),
    [
        ("a\n1\n\n2\n", 1),
        ("a\n\n1\n\n\n2\n\n", 3),
        ("a\r\n1\r\n\r\n2\r\n", 1),
        ("a\n1\n2\n\n\n", 0),  # after the last row nothing is meant
        ('a\n1\n""\n2\n', 0),
        ("\n\na\n1\n", 0),
        ("a,b\n1,2\n\n3,4\n", 0),  # a missing cell of several has its comma
    ],
)
def test_empty_lines_of_one_column_are_no_rows_and_are_told_of(tmp_path: Path, content: str, empty: int) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content, newline="")
    table = sources.read(path)
    assert [note for note in table.notes if f"empty lines ({empty})" in note] == [*table.notes]
    assert len(table.notes) == (empty > 0)
