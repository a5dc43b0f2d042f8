"""CSV and TSV through the standard library: every cell is text, an empty one is None. Guesses no types.

The file is read once, row by row, and kept as text (spool.py): a million rows never are Python objects all at once.

What is wrong with a file is said with its line, and nothing is repaired silently: a table that was read wrongly trains
a model that is wrong everywhere.
"""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from consilience.core.errors import DataError
from consilience.data.sources import text
from consilience.data.sources.memory import NotACell, plain
from consilience.data.sources.paths import kind
from consilience.data.spool import Spool
from consilience.data.table import BLOCK, HEAVY, LazyColumn, Table

DELIMITERS = ",;\t"
_HEAD = 65_536
_SPECIAL = re.compile(r'[,;\t"\r\n]')  # all separators: then no guess about the one in use can go wrong
# csv.field_size_limit is one number for the whole process: it is raised under this lock and put back.
_LOCK = threading.Lock()


def read(path: Path, *, root: Path, encoding: str = "utf-8") -> Table:
    """Read the file in one pass. The first line that is not blank is the header; blank lines are skipped."""
    with _LOCK:
        before = csv.field_size_limit(2**31 - 1)
        try:
            with text.opened(path, encoding) as file:
                delimiter = "\t" if kind(path).startswith(".tsv") else _sniff(path, text.codec_of(path, encoding))
                columns, lines, first, notes = _parse(file, path, delimiter)
        finally:
            csv.field_size_limit(before)
    return Table(
        columns=columns, name=str(path), root=root, first_line=first, lines=lines, delimiter=delimiter, notes=notes
    )


def write(columns: Mapping[str, Sequence[Any]], file: Path, path: Path) -> None:
    """Write to `file`; `path` is the name for messages (and its extension says comma or tab)."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with file.open("x", encoding="utf-8", newline="") as out:
            out.write(_row(list(columns), delimiter))
            for r, row in enumerate(zip(*columns.values(), strict=True)):
                out.write(_row([_cell(value, path, r) for value in row], delimiter))
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: a cell holds half a character (a lone surrogate) and cannot be written") from error


def _row(cells: list[str], delimiter: str) -> str:
    """One line. Not csv.writer: with "\\n" at the end of lines it leaves a lone "\\r" in a cell unquoted, and readers
    take that for the end of the row."""
    quoted = ['"' + c.replace('"', '""') + '"' if _SPECIAL.search(c) else c for c in cells]
    return (delimiter.join(quoted) or '""') + "\n"  # an empty line would not be read as a row


def _cell(value: Any, path: Path, row: int) -> str:
    try:
        value = value if type(value) is str else plain(value)
    except NotACell as error:
        raise DataError(f"{path}: row {row + 1} holds a {error}, which CSV cannot") from error
    if isinstance(value, str):
        if "\0" in value:
            raise DataError(f"{path}: row {row + 1} holds a NUL byte, which CSV cannot; write .parquet or .jsonl")
        return value
    if value is None:
        return ""
    if isinstance(value, tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        raise DataError(f"{path}: row {row + 1} holds bytes, which CSV cannot; write .parquet")
    return repr(value)


def _parse(
    file: TextIO, path: Path, delimiter: str
) -> tuple[dict[str, LazyColumn], array[int] | None, int, tuple[str, ...]]:
    """Columns, the line of every row (None when they simply count up), the line of the first row, and notes."""
    # strict: a quote that is never closed would otherwise swallow the rest of the file into one cell, silently.
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    start = 1
    header: list[str] | None = None
    spool = Spool(0, _join, _cut)
    block: list[list[str]] = []
    lines, empty, size = array("q"), array("q"), 0
    try:
        for row in reader:
            if row:
                if header is None:
                    header = _header(row, path, start)
                    spool = Spool(len(header), _join, _cut)
                elif len(row) == len(header):
                    block.append(row)
                    lines.append(start)
                    if len(lines) <= BLOCK and (size := size + sum(map(len, row))) > HEAVY and len(block) == len(lines):
                        spool.block = len(block)  # long cells, such as base64: fewer rows are held at once
                    if len(block) == spool.block:
                        _flush(block, spool, lines, path)
                elif len(row) > 1 or row[0].strip():  # else: a line of nothing but white space
                    raise DataError(_ragged(path, start, row, header, delimiter))
            elif header is not None:
                empty.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(_broken(path, start, error)) from error
    if header is None:
        raise DataError(f"{path}: the file is empty; the first line must name the columns")
    _flush(block, spool, lines, path)
    first = lines[0] if lines else start
    counting = not lines or lines[-1] - first == len(lines) - 1
    skipped = sum(line < lines[-1] for line in empty) if lines and len(header) == 1 else 0
    said = f'{path}: empty lines ({skipped:,}) between the rows are no rows; write a missing cell as ""'
    return (
        dict(zip(header, spool.columns(), strict=True)),
        None if counting else lines,
        first,
        (said,) if skipped else (),
    )


def _flush(block: list[list[str]], spool: Spool, lines: array[int], path: Path) -> None:
    if not block:
        return
    columns = [list(cells) for cells in zip(*block, strict=True)]
    for cells in columns:
        if "\0" in "".join(cells):
            at = next(i for i, cell in enumerate(cells) if "\0" in cell)
            raise DataError(_nul(path, lines[len(lines) - len(block) + at]))
    spool.add(columns)
    block.clear()


def _join(cells: list[str]) -> bytes:
    return "\0".join(cells).encode("utf-8", "surrogatepass")


def _cut(content: bytes) -> list[str | None]:
    return [cell or None for cell in content.decode("utf-8", "surrogatepass").split("\0")]


def _header(names: list[str], path: Path, line: int) -> list[str]:
    if any("\0" in name for name in names):
        raise DataError(_nul(path, line))
    seen: set[str] = set()
    for n, name in enumerate(names, 1):
        if not name.strip():
            hint = ""
            if n == 1:
                hint = " (pandas writes such a column for its index: use to_csv(..., index=False))"
            raise DataError(f"{path}, line {line}: column {n} has no name{hint}; name every column")
        if name in seen:
            raise DataError(f"{path}, line {line}: two columns are called {name!r}; column names must differ")
        seen.add(name)
    return names


def _ragged(path: Path, line: int, row: list[str], header: list[str], delimiter: str) -> str:
    more = "a cell with the separator in it must be in double quotes" if len(row) > len(header) else "the line is cut"
    sign = {"\t": "tab", ",": "comma", ";": "semicolon"}[delimiter]
    return (
        f"{path}, line {line}: {len(row)} cells, but the header names {len(header)} columns (separator: {sign}). "
        f"Rows are not shifted to fit: {more}; correct the line"
    )


def _broken(path: Path, line: int, error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return f"{path}, line {line}: a quoted cell opened in this row is never closed; close or remove the quote"
    if "expected after" in str(error):
        return f"{path}, line {line}: text follows a closing quote; write a quote inside a quoted cell twice"
    return f"{path}, line {line}: not valid CSV: {error}"


def _nul(path: Path, line: int) -> str:
    return f"{path}, line {line}: a NUL byte: the file is damaged, or not text in UTF-8 (UTF-16?); save it as UTF-8"


def _sniff(path: Path, codec: str) -> str:
    """The separator under which the rows at the start of the file fit the header best; the comma when none does."""
    with text.open_binary(path) as file:
        raw = file.read(_HEAD)
    start = raw.decode(codec, errors="replace")
    best, chosen = (0.0, 0), ","
    for delimiter in DELIMITERS:
        rows: list[list[str]] = []
        try:
            rows += (row for row in csv.reader(io.StringIO(start, newline=""), delimiter=delimiter) if row)
        except csv.Error:
            continue
        if len(raw) == _HEAD:
            rows = rows[:-1] or rows  # the last row is cut off
        if not rows or len(rows[0]) < 2:
            continue
        fitting = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        if (fitting, len(rows[0])) > best:
            best, chosen = (fitting, len(rows[0])), delimiter
    return chosen
