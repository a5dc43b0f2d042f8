"""JSON Lines: rows, nested objects, lists, and whatever a line can be instead of an object."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consilience.core.errors import DataError
from consilience.data import sources, spool
from consilience.data.table import BLOCK, HEAVY

CELLS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
ROWS = st.lists(st.dictionaries(st.text("abc.", min_size=1, max_size=3), CELLS, max_size=4), max_size=8)


@given(rows=ROWS, blank=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_what_was_written_is_read(tmp_path: Path, rows: list[dict], blank: bool) -> None:
    path = tmp_path / "t.jsonl"
    lines = [json.dumps(row, ensure_ascii=bool(n % 2)) + "\n" for n, row in enumerate(rows)]
    text = ("\n" if blank else "").join(lines)
    path.write_bytes(text.encode("utf-8"))
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = sources.read(path)
    assert list(table.columns) == names
    if names:
        assert [dict(row) for row in table.rows()] == [{n: row.get(n) for n in names} for row in rows]
        assert [table.line(r) for r in range(len(rows))] == [1 + r * (1 + blank) for r in range(len(rows))]
    kinds = [type(row.get(n)) for n in names for row in rows]
    assert [type(cell) for n in names for cell in table[n]] == kinds  # 1, 1.0 and true stay apart


@given(st.binary(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_any_bytes_are_a_table_or_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    try:
        table = sources.read(path)
    except DataError as error:
        said = str(error)
    else:
        said = str(path)
        assert [len(cells) for cells in table.columns.values()] == [len(table)] * len(table.columns)
    assert str(path) in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": 1', "line 2: not valid JSON.*cut off"),
        ('{"a": 1},\n', "line 2: not valid JSON.*without a comma"),
        ("[\n", "line 2: not valid JSON.*list"),
        ("[1]\n", "line 2: a list, not an object"),
        ("3\n", "line 2: one value, not an object"),
        ('{"a": 1, "a": 2}\n', "line 2: two values for 'a'"),
        ('{"a": {"b": 1}, "a.b": 2}\n', "line 2: two values for 'a.b'"),
        ("{'a': 1}\n", "line 2: not valid JSON"),
        ("[" * 100_000, "line 2: lists or objects are nested too deeply"),
        ('{"a": ' + "9" * 5_000 + "}\n", "line 2: a value cannot be read"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "t.ndjson"
    path.write_text('{"a": 1}\n' + line)
    with pytest.raises(DataError, match=f"t.ndjson, {says}"):
        sources.read(path)


def test_nested_values(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"a": {"b": 1, "c": {"d": "x"}}, "e": NaN, "f": -Infinity}\n{"tags": ["u", {"v": 1}], "a": null}\n'
    )
    table = sources.read(path)
    assert list(table.columns) == ["a.b", "a.c.d", "e", "f", "tags", "a"]
    assert (list(table["a.b"]), list(table["e"]), list(table["f"])) == ([1, None], [None, None], [-math.inf, None])
    with pytest.raises(DataError, match=r"t.jsonl, line 2: column 'tags' holds a list.*ignore the column"):
        list(table["tags"])


def test_columns_that_come_late_and_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MEMORY", 10_000)
    path = tmp_path / "t.jsonl.gz"
    rows = [{"a": r} | ({"late": str(r)} if r > BLOCK + 2 else {}) for r in range(2 * BLOCK + 5)]
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    table = sources.read(path)
    assert list(table["late"]) == [row.get("late") for row in rows]
    assert list(table["a"]) == [row["a"] for row in rows]


@pytest.mark.slow
def test_large_cells_are_held_a_few_at_a_time(tmp_path: Path) -> None:
    path, cell = tmp_path / "t.jsonl", "x" * (HEAVY // 10)
    path.write_text("".join(json.dumps({"a": f"{r}{cell}"}) + "\n" for r in range(25)))
    column = sources.read(path)["a"]
    assert column.block <= 12
    assert [text[:3] for text in column] == [f"{r}xx"[:3] for r in range(25)]


def test_files_may_lack_columns(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "b.jsonl").write_text('{"b": 2}\n{"a": 3}\n')
    table = sources.read(f"{tmp_path}/*.jsonl")
    assert list(table.rows()) == [{"a": 1, "b": None}, {"a": None, "b": 2}, {"a": 3, "b": None}]


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("\n\n")
    assert len(sources.read(tmp_path / "t.jsonl")) == 0
