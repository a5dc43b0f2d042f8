"""Sources by extension and by type, Parquet, objects in memory, and writing."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consilience.core.errors import DataError
from consilience.data import sources
from consilience.data.table import BLOCK, Table


def cells(table: Table, name: str) -> list:
    return list(table[name])


@pytest.mark.parametrize("name", ["t.xlsx", "table", "t.json"])
def test_an_unknown_kind_of_file_lists_the_known(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[]")
    with pytest.raises(DataError, match=r"known are \.csv, \.tsv, \.parquet"):
        sources.read(tmp_path / name)
    with pytest.raises(DataError, match=r"\.jsonl"):
        sources.write({"a": [1]}, tmp_path / name)


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        sources.read(tmp_path / "t.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="folder"):
        sources.read(str(tmp_path / "folder.csv"))
    (tmp_path / "t.parquet").write_bytes(b"PAR1\x15\0 but not really")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        sources.read(tmp_path / "t.parquet")


def test_where_relative_paths_start(tmp_path: Path) -> None:
    (tmp_path / "t.CSV").write_text("a\n1\n")
    assert sources.read(tmp_path / "t.CSV").root == tmp_path
    assert sources.read(tmp_path / "t.CSV", root=Path("/")).root == Path("/")
    with pytest.raises(DataError, match="there is no such folder"):
        sources.read(tmp_path / "t.CSV", root=tmp_path / "nowhere")
    assert sources.read([{"a": 1}]).root == Path.cwd()
    table = sources.read([{"a": 1}], root=tmp_path)
    assert table.root == tmp_path
    assert sources.read(table) is table


def test_parquet_values_are_plain_python(tmp_path: Path) -> None:
    noon = datetime(2024, 5, 1, 12)
    table = pa.table(
        {
            "text": ["a", None],
            "dictionary": pa.array(["x", "y"]).dictionary_encode(),
            "float": [1.5, float("nan")],
            "single": pa.array([1.5, float("nan")], pa.float32()),
            "whole": [1, None],
            "flag": [True, None],
            "when": pa.array([noon, None], pa.timestamp("ns")),
            "day": [date(2024, 5, 1), None],
            "zone": pa.array([noon, None], pa.timestamp("s", tz="UTC")),
            "money": [Decimal("1.25"), None],
            "media": [b"\x00\x01", None],
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    read = sources.read(tmp_path / "t.parquet")
    assert {name: cells(read, name) for name in read.columns} == {
        "text": ["a", None],
        "dictionary": ["x", "y"],
        "float": [1.5, None],
        "single": [1.5, None],
        "whole": [1, None],
        "flag": [True, None],
        "when": [noon, None],
        "day": [datetime(2024, 5, 1), None],
        "zone": [noon.replace(tzinfo=UTC), None],
        "money": [1.25, None],
        "media": [b"\x00\x01", None],
        "nothing": [None, None],
    }
    assert type(read["when"][0]) is datetime
    assert read.line(0) == 1


@pytest.mark.parametrize("group", [1000, 5000, BLOCK, 100_000])
def test_a_parquet_file_is_read_block_by_block(tmp_path: Path, group: int) -> None:
    rows = 2 * BLOCK + 777
    given = {"text": [None if r % 7 == 0 else f"text {r}" for r in range(rows)], "a": list(range(rows))}
    # "a.b" beside a nested a {b} once took the other's place.
    arrow = pa.table({**given, "a.b": pa.array(range(rows)), "deep": [{"b": r} for r in range(rows)]})
    pq.write_table(arrow, tmp_path / "t.parquet", row_group_size=group)
    table = sources.read(tmp_path / "t.parquet")
    assert (len(table), list(table.columns)) == (rows, ["text", "a", "a.b", "deep"])
    for column, cells in given.items():
        assert list(table[column]) == cells
        assert list(table[column]) == cells, "a second look"
    scattered = [rows - 1, 3, BLOCK + 1, 0, 1000, 999, rows - 1]
    assert list(table.take(scattered)["a.b"]) == scattered
    assert [table["text"][r] for r in reversed(scattered)] == [given["text"][r] for r in reversed(scattered)]


def test_a_cut_parquet_file_is_an_error_not_a_shorter_table(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.random.default_rng(0).random(3 * BLOCK)}), path, row_group_size=BLOCK)
    table = sources.read(path)
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(len(content) // 2)
        file.write(b"\xff" * 20_000)
    try:
        cells = list(table["a"])
    except DataError as error:
        assert "'a'" in str(error)  # noqa: PT017 - whether pages are checked is Arrow's business; the count is ours
    else:
        assert len(cells) == 3 * BLOCK


def test_nested_columns_fail_only_when_used() -> None:
    for source in (
        pa.table({"ok": [1, 2], "nested": [[[1]], [[2, 3]]]}),
        pd.DataFrame({"ok": [1, 2], "nested": [[[1]], [[2, 3]]]}),
        [{"ok": 1, "nested": [{}]}, {"ok": 2, "nested": [{}]}],
        {"ok": [1, 2], "nested": [{"a": 1}, {"a": 2}]},
    ):
        table = sources.read(source).take([1, 0])
        assert cells(table, "ok") == [2, 1]
        with pytest.raises(DataError, match=r"'nested'.*ignore the column"):
            cells(table, "nested")


def test_lists_of_labels_are_cells() -> None:
    labels = [["a", "b"], [], None]
    for source in (
        pa.table({"tags": labels}),
        pd.DataFrame({"tags": labels}),
        [{"tags": cell} for cell in labels],
        {"tags": labels},
        {"tags": [np.array(["a", "b"]), (), None]},
    ):
        assert cells(sources.read(source), "tags") == [("a", "b"), (), None]


def test_lists_are_written_as_the_file_can_hold_them(tmp_path: Path) -> None:
    columns = {"tags": [["a", "b;c"], ["a"], []]}
    for name in ("t.csv", "t.parquet", "t.jsonl"):
        sources.write(columns, tmp_path / name)
    assert cells(sources.read(tmp_path / "t.csv"), "tags") == ['["a", "b;c"]', '["a"]', "[]"]
    assert cells(sources.read(tmp_path / "t.parquet"), "tags") == [("a", "b;c"), ("a",), ()]
    assert [json.loads(line)["tags"] for line in (tmp_path / "t.jsonl").read_text().splitlines()] == columns["tags"]


def test_pandas_missing_values_of_every_kind() -> None:
    frame = pd.DataFrame(
        {
            "float": [1.5, np.nan],
            "whole": pd.array([1, None], dtype="Int64"),
            "flag": pd.array([True, None], dtype="boolean"),
            "string": pd.array(["a", None], dtype="string"),
            "object": ["a", pd.NA],
            "mixed": pd.Series([np.int64(3), float("nan")], dtype=object, index=[5, 9]),
            "category": pd.Categorical(["x", None]),
            "when": [pd.Timestamp("2024-05-01 12:00:00.123456789"), pd.NaT],
            7: [1, 2],
        },
        index=[5, 9],
    )
    table = sources.read(frame)
    assert {name: cells(table, name) for name in table.columns} == {
        "float": [1.5, None],
        "whole": [1, None],
        "flag": [True, None],
        "string": ["a", None],
        "object": ["a", None],
        "mixed": [3, None],
        "category": ["x", None],
        "when": [datetime(2024, 5, 1, 12, 0, 0, 123456), None],
        "7": [1, 2],
    }
    assert [type(table[name][0]) for name in ("whole", "flag", "when", "mixed")] == [int, bool, datetime, int]


def test_pandas_column_names_must_differ() -> None:
    with pytest.raises(DataError, match="two columns are called 'a'"):
        sources.read(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(DataError, match="two columns are called '1'"):
        sources.read({1: [1], "1": [2]})


def test_rows_and_columns_in_memory() -> None:
    rows = sources.read([{"a": 1, "p": Path("x/y.png")}, {"b": np.float32(0.5), "a": None}])
    assert {name: cells(rows, name) for name in rows.columns} == {
        "a": [1, None],
        "p": ["x/y.png", None],
        "b": [None, 0.5],
    }
    columns = sources.read(
        {
            "numpy": np.array([1, 2]),
            "dates": np.array(["2024-05-01", "NaT"], "datetime64[D]"),
            "series": pd.Series(["x", None]),
            "arrow": pa.array([1.5, None]),
            "tuple": (bytearray(b"b"), np.str_("s")),
        }
    )
    assert {name: cells(columns, name) for name in columns.columns} == {
        "numpy": [1, 2],
        "dates": [datetime(2024, 5, 1), None],
        "series": ["x", None],
        "arrow": [1.5, None],
        "tuple": [b"b", "s"],
    }


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"a": [1], "b": [1, 2]}, "different lengths"),
        ({"a": "text"}, r"one value, not a list.*\[\{\.\.\.\}\]"),
        ({"a": 1}, "one value"),
        ({}, "no columns"),
        ([{"a": 1}, [1]], "row 2 is list"),
        (3, "cannot read a table from int"),
        ({" ": [1]}, "no name"),
    ],
)
def test_objects_that_are_no_table(source: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        sources.read(source)


def test_parquet_and_json_lines_hold_what_was_written(tmp_path: Path) -> None:
    columns = {"p": [np.float64(0.1) + 0.2, None], "label": ["a\nb", "é"], "when": [datetime(2024, 5, 1), None]}
    sources.write(columns, tmp_path / "t.parquet")
    read = sources.read(tmp_path / "t.parquet")
    assert {name: cells(read, name) for name in read.columns} == columns
    sources.write({**columns, "p": [0.1 + 0.2, float("inf")]}, tmp_path / "t.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [
        {"p": 0.1 + 0.2, "label": "a\nb", "when": "2024-05-01T00:00:00"},
        {"p": None, "label": "é", "when": None},
    ]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        path = tmp_path / name
        path.write_bytes(b"old")
        bad = [1, "a"] if name == "t.parquet" else [1, object()]
        with pytest.raises(DataError):
            sources.write({"x": bad}, path)
        assert path.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["t.csv", "t.jsonl", "t.parquet"]
    with pytest.raises(DataError, match="different lengths"):
        sources.write({"a": [1], "b": []}, tmp_path / "u.csv")
    with pytest.raises(DataError, match="cannot be written"):
        sources.write({"a": [1]}, tmp_path / "t.csv" / "u.csv")


def test_a_file_of_large_values_is_not_held(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(tmp_path / "t.parquet", pa.schema([("p", pa.binary())])) as writer:
        for _ in range(40):
            writer.write_table(pa.table({"p": pa.array([rng.bytes(500_000) for _ in range(3)], pa.binary())}))
    column = sources.read(tmp_path / "t.parquet")["p"]
    before, most, rows = pa.total_allocated_bytes(), 0, 0
    for cell in column:
        most, rows = max(most, pa.total_allocated_bytes() - before), rows + len(cell) // 500_000
    assert rows == 120
    assert most < 48_000_000  # of 60 MB; a block is 32


def test_whole_numbers_of_many_digits_survive_parquet(tmp_path):
    """Ids and hashes: a float has 16 digits, a whole number of Arrow 63 bits."""
    ids = [12345678901234567890, 3, None]
    table = pa.table(
        {
            "decimal": pa.array([None if one is None else Decimal(one) for one in ids], pa.decimal128(38, 0)),
            "unsigned": pa.array(ids, pa.uint64()),
            "money": pa.array([Decimal("6.02"), None, Decimal("1.10")], pa.decimal128(10, 2)),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    read = sources.read(tmp_path / "a.parquet")
    found = {name: cells(read, name) for name in read.columns}
    assert found == {"decimal": ids, "unsigned": ids, "money": [6.02, None, 1.1]}
    sources.write(found, tmp_path / "b.parquet")
    again = sources.read(tmp_path / "b.parquet")
    assert {name: cells(again, name) for name in again.columns} == found
    large = {"x": [10**24, None, -1], "y": [2**63, -1, None]}
    sources.write(large, tmp_path / "c.parquet")
    again = sources.read(tmp_path / "c.parquet")
    assert {name: cells(again, name) for name in large} == large
    with pytest.raises(DataError, match="cannot be written as Parquet"):
        sources.write({"x": [1, "a"]}, tmp_path / "d.parquet")
