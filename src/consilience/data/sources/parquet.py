"""Parquet and Arrow tables (needs pyarrow, the `train` extra). A column becomes Python values when it is first used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError
from consilience.core.optional import need
from consilience.data.sources.memory import plain, unique_names
from consilience.data.table import LazyColumn, Table


def read(path: Path, *, root: Path, encoding: str = "utf-8") -> Table:
    """Read a Parquet file; its rows count from 1. `encoding` is for text files and has no meaning here."""
    arrow = need("pyarrow", extra="train", to="read Parquet files")
    files = need("pyarrow.parquet", extra="train", to="read Parquet files")
    try:
        # ParquetFile, not read_table: the latter reads folder names (a=1/) into columns of their own.
        with files.ParquetFile(path) as file:
            table = file.read()
    except arrow.ArrowException as error:
        raise DataError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from error
    return from_arrow(table, name=str(path), root=root)


def from_arrow(table: Any, *, name: str, root: Path) -> Table:
    names = unique_names(table.column_names, name)
    columns = {column: _lazy(table.column(i), table=name, column=column) for i, column in enumerate(names)}
    return Table(columns=columns, name=name, root=root)


def write(columns: Mapping[str, Sequence[Any]], file: Path, path: Path) -> None:
    arrow = need("pyarrow", extra="train", to="write Parquet files")
    files = need("pyarrow.parquet", extra="train", to="write Parquet files")
    try:
        arrays = {name: arrow.array([plain(cell) for cell in cells]) for name, cells in columns.items()}
        files.write_table(arrow.table(arrays), file)
    except (arrow.ArrowException, TypeError, UnicodeEncodeError) as error:
        raise DataError(f"{path}: cannot be written as Parquet (each column holds one type): {error}") from error


def _lazy(cells: Any, *, table: str, column: str) -> LazyColumn:
    def make() -> list[Any]:
        arrow = need("pyarrow", extra="train", to="read Parquet files")
        try:
            ready = _usable(cells, table, column)
            made: list[Any] = ready.to_pylist()
        except (arrow.ArrowException, OverflowError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{table}: column {column!r} ({cells.type}) cannot be read: {error}") from error
        # NaN is how floats say "missing"; everything else is plain already.
        floating = arrow.types.is_floating(ready.type)
        return [None if cell != cell else cell for cell in made] if floating else made

    return LazyColumn(len(cells), make)


def _usable(cells: Any, table: str, column: str) -> Any:
    """The Arrow column as one whose `to_pylist` gives raw cells: str, int, float, bool, bytes, datetime or None."""
    arrow = need("pyarrow", extra="train", to="read Parquet files")
    is_ = arrow.types
    if is_.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    kind = cells.type
    if is_.is_timestamp(kind):
        return cells.cast(arrow.timestamp("us", tz=kind.tz), safe=False)  # Python's datetime ends at microseconds
    if is_.is_date(kind):
        return cells.cast(arrow.timestamp("us"))
    if is_.is_decimal(kind):
        return cells.cast(arrow.float64())
    texts = is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind)
    media = is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind)
    numbers = is_.is_integer(kind) or is_.is_floating(kind) or is_.is_boolean(kind)
    if texts or media or numbers or is_.is_binary_view(kind) or is_.is_null(kind):
        return cells
    raise DataError(
        f"{table}: column {column!r} holds {kind}; a cell must be text, a number, true/false, a date, bytes or null. "
        "Unpack it into columns of its own, or ignore the column"
    )
