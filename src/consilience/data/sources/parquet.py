"""Parquet and Arrow tables (needs pyarrow, the `train` extra). A column becomes Python values block by block, when it
is used; that of a file is also decoded block by block, so a file may be larger than memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError
from consilience.core.optional import need
from consilience.data.sources.memory import plain, unique_names
from consilience.data.table import LazyColumn, Table, block_of

Slice = Callable[[int, int], Any]
"""begin, end -> those rows of a column, as an Arrow array."""

_BUFFER = 1 << 20
"""Bytes read ahead in each column."""


def read(path: Path, *, root: Path, encoding: str = "utf-8") -> Table:
    """Open a Parquet file; its rows count from 1. `encoding` is for text files and has no meaning here."""
    arrow = need("pyarrow", extra="train", to="read Parquet files")
    files = need("pyarrow.parquet", extra="train", to="read Parquet files")
    name = str(path)
    try:
        # ParquetFile, not read_table: the latter reads folder names (a=1/) into columns of their own.
        file = files.ParquetFile(path, buffer_size=_BUFFER)
    except arrow.ArrowException as error:
        raise DataError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from error
    schema, rows = file.schema_arrow, file.metadata.num_rows
    sizes = _sizes(file.metadata)
    columns = {}
    for i, column in enumerate(unique_names(schema.names, name)):
        block = block_of(sizes.get(column, 0) / max(rows, 1))
        cells = _InFile(file, column, block)
        columns[column] = lazy(cells, rows, schema.field(i).type, table=name, column=column, block=block)
    return Table(columns=columns, name=name, root=root)


def _sizes(metadata: Any) -> dict[str, int]:
    """Bytes of each column, unpacked; those of the parts of a nested one together."""
    sizes: dict[str, int] = {}
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            part = metadata.row_group(group).column(number)
            name = part.path_in_schema.split(".")[0]
            sizes[name] = sizes.get(name, 0) + part.total_uncompressed_size
    return sizes


def from_arrow(table: Any, *, name: str, root: Path) -> Table:
    columns = {}
    for i, column in enumerate(unique_names(table.column_names, name)):
        cells = table.column(i)
        block = block_of(cells.nbytes / max(len(cells), 1))
        columns[column] = lazy(_in_memory(cells), len(cells), cells.type, table=name, column=column, block=block)
    return Table(columns=columns, name=name, root=root)


def write(columns: Mapping[str, Sequence[Any]], file: Path, path: Path) -> None:
    arrow = need("pyarrow", extra="train", to="write Parquet files")
    files = need("pyarrow.parquet", extra="train", to="write Parquet files")
    try:
        arrays = {name: _array([plain(cell) for cell in cells], arrow) for name, cells in columns.items()}
        files.write_table(arrow.table(arrays), file)
    except (arrow.ArrowException, OverflowError, TypeError, UnicodeEncodeError) as error:
        raise DataError(f"{path}: cannot be written as Parquet (each column holds one type): {error}") from error


def _array(cells: list[Any], arrow: Any) -> Any:
    for kind in (None, arrow.uint64()):
        try:
            return arrow.array(cells, kind)
        except (OverflowError, arrow.ArrowInvalid) as error:
            if kind is None and not isinstance(error, OverflowError):
                raise
    # Ids of more digits than 64 bits have.
    return arrow.array([None if cell is None else Decimal(cell) for cell in cells], arrow.decimal256(76, 0))


def _in_memory(cells: Any) -> Slice:
    return lambda begin, end: cells.slice(begin, end - begin)


class _InFile:
    """Rows of one column of a file. Blocks asked for one after the other are decoded once, each when it is its turn;
    any other order starts again at the row group that holds the rows."""

    def __init__(self, file: Any, column: str, block: int) -> None:
        self._file, self._column, self._block = file, column, block
        counts = [file.metadata.row_group(g).num_rows for g in range(file.metadata.num_row_groups)]
        self._starts = [0, *accumulate(counts)]
        self._next, self._held = -1, 0
        self._batches: Iterator[Any] = iter(())
        self._rest: list[Any] = []

    def __call__(self, begin: int, end: int) -> Any:
        import pyarrow

        if begin != self._next:
            self._open(begin)
        while self._held < end - begin:
            batch = self._batch()
            self._rest.append(batch)
            self._held += len(batch)
        cells = pyarrow.chunked_array(self._rest)
        self._rest = [chunk for chunk in cells.slice(end - begin).chunks if len(chunk)]
        self._next, self._held = end, self._held - (end - begin)
        return cells.slice(0, end - begin)

    def _batch(self) -> Any:
        batch = next(self._batches, None)
        if batch is None:  # never a StopIteration: it would end the caller's loop, as if the table were shorter
            raise ValueError("the file has fewer rows than it says")
        return batch.column(self._column)  # by name: a nested a.b comes along with a column that is called "a.b"

    def _open(self, begin: int) -> None:
        group = max(0, bisect_right(self._starts, begin) - 1)
        # One column at a time: threads would only hold more of them at once. And one row group at a time: a reader of
        # several keeps what it has decoded of all of them until it ends.
        options = {"batch_size": self._block, "columns": [self._column], "use_threads": False}
        groups = range(group, len(self._starts) - 1)
        self._batches = (batch for g in groups for batch in self._file.iter_batches(row_groups=[g], **options))
        self._rest, self._held = [], 0
        skip = begin - self._starts[group]
        while skip > 0:
            batch = self._batch()
            if len(batch) > skip:
                self._rest, self._held = [batch.slice(skip)], len(batch) - skip
            skip -= len(batch)


def lazy(cells: Slice, length: int, kind: Any, *, table: str, column: str, block: int) -> LazyColumn:
    def make(begin: int, end: int) -> list[Any]:
        arrow = need("pyarrow", extra="train", to="read Parquet files")
        try:
            ready = _usable(cells(begin, end), table, column)
            made: list[Any] = ready if isinstance(ready, list) else ready.to_pylist()
        except (arrow.ArrowException, OverflowError, ValueError, OSError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{table}: column {column!r} ({kind}) cannot be read: {error}") from error
        # NaN is how floats say "missing"; everything else is plain already.
        if not isinstance(ready, list) and arrow.types.is_nested(ready.type):
            return [None if cell is None else tuple(cell) for cell in made]
        floating = not isinstance(ready, list) and arrow.types.is_floating(ready.type)
        return [None if cell != cell else cell for cell in made] if floating else made

    return LazyColumn(length, make, block=block)


def _usable(cells: Any, table: str, column: str) -> Any:
    """The Arrow column as one whose `to_pylist` gives raw cells (str, int, float, bool, bytes, datetime or None), or as
    a list of them. A record of `bytes` and `path`, as Hugging Face keeps media, is the one or the other of the two."""
    arrow = need("pyarrow", extra="train", to="read Parquet files")
    is_ = arrow.types
    if is_.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    kind = cells.type
    if is_.is_timestamp(kind):
        return cells.cast(arrow.timestamp("us", tz=kind.tz), safe=False)  # Python's datetime ends at microseconds
    if is_.is_date(kind):
        return cells.cast(arrow.timestamp("us"))
    if is_.is_decimal(kind):  # whole ones may be ids, of more digits than a float has
        exact = int if kind.scale <= 0 else float
        return [None if cell is None else exact(cell) for cell in cells.to_pylist()]
    texts = is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind)
    media = is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind)
    numbers = is_.is_integer(kind) or is_.is_floating(kind) or is_.is_boolean(kind)
    if is_.is_struct(kind) and {"bytes", "path"} == {field.name for field in kind}:
        return [_held_or_path(cell) for cell in cells.to_pylist()]
    if texts or media or numbers or is_.is_binary_view(kind) or is_.is_null(kind):
        return cells
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        inside = kind.value_type
        if is_.is_string(inside) or is_.is_large_string(inside) or is_.is_integer(inside) or is_.is_floating(inside):
            return cells  # of labels: a target may hold them
    raise DataError(
        f"{table}: column {column!r} holds {kind}; a cell must be text, a number, true/false, a date, bytes or null. "
        "Unpack it into columns of its own, or ignore the column"
    )


def _held_or_path(cell: dict[str, Any] | None) -> Any:
    if cell is None:
        return None
    return cell["path"] if cell["bytes"] is None else cell["bytes"]
