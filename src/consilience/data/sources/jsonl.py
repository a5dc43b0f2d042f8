"""JSON Lines: one object a line is one row, its keys are the columns. Read once, line by line, packed or not.

An object inside a row becomes columns `outer.inner`. A list of plain values is one cell (labels, for a target); any
other list is refused when its column is used. A key that a row lacks is a missing cell.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError
from consilience.data.rows import Rows
from consilience.data.sources import text
from consilience.data.sources.memory import unique_names
from consilience.data.table import Table


def read(path: Path, *, root: Path, encoding: str = "utf-8") -> Table:
    """Blank lines are skipped. Raises DataError with the line of what is no object."""
    rows, lines = Rows(), array("q")
    with text.opened(path, encoding) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                rows.add(row_of(line, f"{path}, line {number}"))
                lines.append(number)
    first = lines[0] if lines else 1
    counting = not lines or lines[-1] - first == len(lines) - 1
    known: Sequence[int] = range(first, first + len(lines)) if counting else lines
    columns = rows.columns(lambda row: f"{path}, line {known[row]}")
    unique_names(columns, str(path))
    return Table(columns=columns, name=str(path), root=root, first_line=first, lines=None if counting else lines)


def row_of(line: str, place: str) -> dict[str, Any]:
    """Cells (and lists) by column. `place` is where the object stands, for messages."""
    try:
        found = json.loads(line, object_pairs_hook=_Pairs, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not valid JSON: {error.msg} (character {error.pos + 1}){_hint(line)}") from error
    except RecursionError as error:
        raise DataError(f"{place}: lists or objects are nested too deeply; correct the line") from error
    except ValueError as error:  # a number of more digits than Python reads
        raise DataError(f"{place}: a value cannot be read: {error}") from error
    if not isinstance(found, _Pairs):
        what = "a list" if isinstance(found, list) else "one value"
        raise DataError(f'{place}: {what}, not an object of column names and values: {{"column": value, ...}}')
    row: dict[str, Any] = {}
    for name, value in _flat(found, "", place):
        if name in row:
            raise DataError(f"{place}: two values for {name!r}; keys must differ (b inside a is called a.b)")
        row[name] = value
    return row


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: a dict would keep the last of two equal keys and not tell."""


def _flat(pairs: _Pairs, outer: str, place: str) -> Iterator[tuple[str, Any]]:
    for key, value in pairs:
        name = f"{outer}.{key}" if outer else key
        if isinstance(value, _Pairs):
            yield from _flat(value, name, place)
        else:
            yield name, _undone(value) if isinstance(value, list) else value


def _undone(value: Any) -> Any:
    """Objects inside lists as lists of pairs: neither can be a cell."""
    if isinstance(value, _Pairs):
        return [[key, _undone(inner)] for key, inner in value]
    return [_undone(inner) for inner in value] if isinstance(value, list) else value


def _constant(name: str) -> float | None:
    """NaN is no JSON, but how many programs write a missing number."""
    return None if name == "NaN" else float(name.replace("Infinity", "inf"))


def _hint(line: str) -> str:
    if line.lstrip()[:1] == "[":
        return ". A file of one list is not JSON Lines: write each object of it on a line of its own"
    if line.rstrip()[-1:] == ",":
        return ". Lines of JSON Lines end without a comma"
    if line.lstrip("\ufeff \t")[:1] not in ("{", '"'):
        return ". Lines of JSON Lines begin with {; call a CSV .csv"
    return "" if line.endswith("\n") else ". It is the last line: the file may be cut off"
