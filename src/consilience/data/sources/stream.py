"""Rows that can be gone through once: a generator or any other iterable of dicts. Read whole, and kept on disk where
they are many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError
from consilience.data.rows import Rows
from consilience.data.sources.memory import NotACell, as_file, plain, unique_names
from consilience.data.table import Table

NAME = "the stream of rows"


def read(source: Iterable[Any], *, root: Path, name: str = NAME) -> Table:
    """A key that a row lacks is a missing cell; a dict inside a row becomes columns `outer.inner`, but {"bytes",
    "path"} is the one or the other of the two. Raises DataError, naming the row; what the iterable raises goes on."""
    rows, number = Rows(), 0
    for number, row in enumerate(source, 1):
        if not isinstance(row, Mapping):
            raise DataError(f"{name}: row {number} is {type(row).__name__}, not a dict of column names and values")
        made: dict[str, Any] = {}
        for column, value in _flat(row, ""):
            if column in made:
                raise DataError(f"{name}: row {number}: two values for {column!r}; keys must differ")
            made[column] = _cell(value, column, f"{name}: row {number}")
        rows.add(made)
    columns = rows.columns(lambda row: f"{name}, row {row + 1}")
    unique_names(columns, name, rows=number)
    return Table(columns=columns, name=name, root=root)


def _flat(row: Mapping[Any, Any], outer: str) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        name = f"{outer}.{key}" if outer else str(key)
        if not isinstance(value, Mapping) or set(value) == {"bytes", "path"}:
            yield name, value
        elif (content := as_file(value)) is not None:
            yield name, content
        else:
            yield from _flat(value, name)


def _cell(value: Any, column: str, place: str) -> Any:
    if isinstance(value, list | tuple):
        return _listed(value)
    try:
        return plain(value)
    except NotACell as error:
        raise DataError(
            f"{place}: column {column!r} holds a value of type {error}; a cell must be text, a number, true/false, a "
            "date, bytes (a file's content) or None"
        ) from error


def _listed(value: Any) -> Any:
    """Lists, which are kept until somebody asks for the column, of what JSON can hold."""
    if isinstance(value, list | tuple):
        return [_listed(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)
