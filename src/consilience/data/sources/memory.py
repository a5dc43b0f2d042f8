"""Tables that are already in memory: DataFrames, Arrow tables, lists of dicts, dicts of columns. Copies no media.

Third-party types are recognised only if their package is already imported, so this file imports none of them.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.core.files import Stored
from consilience.core.number_forms import EXACT
from consilience.data.table import LazyColumn, Table
from consilience.modalities import MODALITIES

_PLAIN = (str, int, bool, bytes, datetime, type(None), Stored)


class NotACell(TypeError):
    """A value that no column of a table may hold."""


def read(source: Any, *, root: Path) -> Table:
    """A Table from an object; its rows count from 1 and an index is ignored. Columns are converted when first used."""
    pandas, arrow, polars = sys.modules.get("pandas"), sys.modules.get("pyarrow"), sys.modules.get("polars")
    if pandas is not None and isinstance(source, pandas.DataFrame):
        return _from_pandas(source, root)
    if polars is not None and isinstance(source, polars.DataFrame | polars.LazyFrame):
        from consilience.data.sources import polars as reader

        return reader.read(source, root=root)
    if _datasets(source) is not None:
        from consilience.data.sources import saved

        return saved.from_object(source, root=root)
    if arrow is not None and isinstance(source, arrow.Table):
        from consilience.data.sources import parquet

        return parquet.from_arrow(source, name="the Arrow table", root=root)
    if isinstance(source, Mapping):
        return _from_columns(source, root)
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return _from_rows(source, root)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes) and not hasattr(source, "shape"):
        from consilience.data.sources import stream

        return stream.read(source, root=root)
    raise DataError(
        f"cannot read a table from {type(source).__name__}: give a path to a table file or folder, a pandas or polars "
        "DataFrame, a pyarrow Table, a Hugging Face dataset, a list of dicts, an iterable of dicts, or a dict of lists"
        + _instead(source)
    )


def _instead(source: Any) -> str:
    """How to make a table of what is none."""
    if type(source).__name__ == "Series":  # of pandas or polars
        return (
            ". A Series that is a column becomes a table by series.to_frame(), one that is a row by [series.to_dict()]"
        )
    if hasattr(source, "shape") and not hasattr(source, "columns"):
        return '. An array has no names of columns: give them, for example pandas.DataFrame(array, columns=["a", "b"])'
    return ""


def sides(source: Any) -> dict[str, Any] | None:
    """The datasets of a dict of them, by side; None of any other source."""
    from consilience.data.sources import saved

    kind = _datasets(source)
    return saved.by_side(dict(source), f"the {kind}") if kind is not None and kind.endswith("Dict") else None


def _datasets(source: Any) -> str | None:
    """The name of a type of Hugging Face `datasets`; None of any other type."""
    package = sys.modules.get("datasets")
    names = ("Dataset", "IterableDataset", "DatasetDict", "IterableDatasetDict")
    return next((n for n in names if package is not None and isinstance(source, getattr(package, n))), None)


def plain(value: Any) -> Any:
    """One value as a raw cell: str, int, float, bool, bytes, datetime or None (which NaN, NA and NaT become), or a
    tuple of such (which a list becomes; no input may hold one, but a target may). What
    some modality knows as an object (an image, a decoded sound) becomes the bytes of a file, and {"bytes", "path"}, as
    Hugging Face keeps media, the one or the other of the two."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return None if math.isnan(value) else value
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else plain(value.astype("datetime64[us]").item())
    if isinstance(value, np.generic):
        item = value.item()
        return float(item) if isinstance(item, np.generic) else plain(item)  # a longdouble is its own item
    if isinstance(value, datetime):  # a pandas Timestamp is one; NaT too, and it alone does not equal itself
        to_python = getattr(value, "to_pydatetime", None)
        return None if value != value else value if to_python is None else to_python(warn=False)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    for cls, change in _CHANGES:
        if isinstance(value, cls):
            return change(value)
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1):
        inside = tuple(plain(part) for part in value)
        if not any(isinstance(part, tuple) for part in inside):
            return inside
    pandas = sys.modules.get("pandas")
    if pandas is not None and value is pandas.NA:
        return None
    if isinstance(value, Mapping) and set(value) == {"bytes", "path"}:
        return plain(value["path"] if value["bytes"] is None else value["bytes"])
    if (content := as_file(value)) is not None:
        return content
    if isinstance(value, np.ndarray):
        raise NotACell(
            f"{kind.__name__} {list(value.shape)} of {value.dtype} (pixels are [height, width] or [height, width, 3 or "
            "4] of uint8, from 0 to 255)"
        )
    raise NotACell(kind.__name__)


def as_file(value: Any) -> bytes | Stored | None:
    """The bytes of a file with this content, or a cell that says why there are none, where some modality knows such
    objects."""
    found = (MODALITIES.load(name).file_of(value) for name in MODALITIES)
    return next((content for content in found if content is not None), None)


# Subclasses too (np.str_ is handled above; a StrEnum member or a user's own str ends up here).
_CHANGES: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (str, lambda v: str.__str__(v)),
    (PurePath, str),
    (int, int),
    (float, lambda v: plain(float(v))),
    (
        Decimal,
        lambda v: int(v) if v.is_finite() and abs(v) >= EXACT and v == v.to_integral_value() else plain(float(v)),
    ),
    (bytes | bytearray | memoryview, bytes),
)


def column(cells: Any, length: int, *, table: str, name: str) -> LazyColumn:
    """A column whose values are made plain when they are used; DataError then, if one of them cannot be a cell.

    `cells` is asked for slices; what has none (a set of values, a generator's list) comes as a list.
    """

    def make(begin: int, end: int) -> list[Any]:
        made: list[Any] = []
        try:
            for cell in cells[begin:end]:
                made.append(plain(cell))
        except NotACell as error:
            raise DataError(
                f"{table}: column {name!r}, row {begin + len(made) + 1} holds a value of type {error}; a cell must be "
                "text, a number, true/false, a date, bytes or None. Unpack it into columns of its own, or ignore the "
                "column"
            ) from error
        return made

    return LazyColumn(length, make)


def is_column(cells: Any) -> bool:
    """Whether a value of a dict is the cells of a column, in their order, rather than one cell of a row."""
    if isinstance(cells, str | bytes | bytearray | memoryview | Mapping | Set) or getattr(cells, "ndim", 1) == 0:
        return False
    table = hasattr(cells, "columns")  # going through a DataFrame gives its names
    return hasattr(cells, "__len__") and hasattr(cells, "__iter__") and not table


def unique_names(names: Iterable[Any], table: str, *, rows: int = 0) -> list[str]:
    """Column names as text. Raises DataError for an empty or repeated one, and for rows without any column."""
    out: list[str] = []
    for n, name in enumerate(map(str, names), 1):
        if not name.strip():
            raise DataError(f"{table}: column {n} has no name; name every column")
        if name in out:
            raise DataError(f"{table}: two columns are called {name!r}; column names must differ")
        out.append(name)
    if rows and not out:
        raise DataError(f"{table}: there are rows ({rows:,}) but no columns; give each row as {{column: value}}")
    return out


def write_jsonl(columns: Mapping[str, Sequence[Any]], file: Path, path: Path) -> None:
    """One JSON object a line. NaN and infinity become null, because JSON has neither."""
    with file.open("x", encoding="utf-8", newline="") as out:
        for r, row in enumerate(zip(*columns.values(), strict=True)):
            try:
                cells = dict(zip(columns, map(_json, row), strict=True))
                out.write(json.dumps(cells, ensure_ascii=False, allow_nan=False) + "\n")
            except UnicodeEncodeError as error:
                raise DataError(f"{path}: row {r + 1} holds half a character (a lone surrogate)") from error
            except TypeError as error:
                raise DataError(f"{path}: row {r + 1} holds a value JSON cannot ({error}); write .parquet") from error


def _json(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, datetime) else value


def _from_pandas(frame: Any, root: Path) -> Table:
    table = "the DataFrame"
    names = unique_names(frame.columns, table, rows=len(frame))
    columns = {
        name: column(_Late(frame.iloc[:, i]), len(frame), table=table, name=name) for i, name in enumerate(names)
    }
    return Table(columns=columns, name=table, root=root)


class _Late:
    """A pandas Series whose slices are Python objects: NA of every kind is None before types can blur it."""

    def __init__(self, series: Any) -> None:
        self._series = series

    def __getitem__(self, part: slice) -> list[Any]:
        some = self._series.iloc[part]
        missing = some.isna().to_numpy()
        return [None if gone else cell for cell, gone in zip(some.astype(object).tolist(), missing, strict=True)]


def _from_columns(source: Mapping[Any, Any], root: Path) -> Table:
    table = "the dict of columns"
    if not source:
        raise DataError(f"{table}: it has no columns")
    names = unique_names(source, table)
    columns: dict[str, LazyColumn] = {}
    for name, cells in zip(names, source.values(), strict=True):
        if isinstance(cells, Set):
            raise DataError(f"{table}: column {name!r} is a {type(cells).__name__}, which has no order; give a list")
        if not is_column(cells):
            raise DataError(
                f"{table}: column {name!r} is one value, not a list of values; for a single row, give a list with one "
                "dict: [{...}]"
            )
        columns[name] = column(_cells(cells), len(cells), table=table, name=name)
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{table}: columns of different lengths: {lengths}")
    return Table(columns=columns, name=table, root=root)


def _cells(cells: Any) -> Any:
    """Something that gives slices of Python objects."""
    pandas, arrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    if pandas is not None and isinstance(cells, pandas.Series):
        return _Late(cells)
    if arrow is not None and isinstance(cells, arrow.Array | arrow.ChunkedArray):
        return cells.to_pylist()
    return cells if isinstance(cells, Sequence | np.ndarray) else list(cells)


def _from_rows(source: Sequence[Any], root: Path) -> Table:
    """A key that a row lacks is a missing cell."""
    table = "the list of rows"
    seen: dict[Any, None] = {}
    for r, row in enumerate(source, 1):
        if not isinstance(row, Mapping):
            raise DataError(f"{table}: row {r} is {type(row).__name__}, not a dict of column names and values")
        seen.update(dict.fromkeys(row))
    names = unique_names(seen, table, rows=len(source))
    columns = {
        name: column(_Field(source, key), len(source), table=table, name=name)
        for name, key in zip(names, seen, strict=True)
    }
    return Table(columns=columns, name=table, root=root)


class _Field:
    """One key of a list of dicts."""

    def __init__(self, rows: Sequence[Any], key: Any) -> None:
        self._rows, self._key = rows, key

    def __getitem__(self, part: slice) -> list[Any]:
        return [row.get(self._key) for row in self._rows[part]]
