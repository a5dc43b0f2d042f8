"""polars DataFrames and LazyFrames. A LazyFrame is computed once, in a stream, into a temporary Parquet file: its rows
may be more than memory holds.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError
from consilience.core.optional import need
from consilience.data.sources import parquet
from consilience.data.table import Table


def read(source: Any, *, root: Path) -> Table:
    """A Table from either; columns of objects, lists and records are refused when they are used."""
    need("pyarrow", extra="train", to="read polars tables")
    polars = need("polars", extra="train", to="read polars tables")
    if isinstance(source, polars.DataFrame):
        objects = [name for name, kind in source.schema.items() if kind == polars.Object]
        if objects:
            raise DataError(
                f"the polars DataFrame: column {objects[0]!r} holds Python objects; a cell must be text, a number, "
                "true/false, a date, bytes or null. Leave the column out: frame.drop(...)"
            )
        return parquet.from_arrow(source.to_arrow(), name="the polars DataFrame", root=root)
    handle, path = tempfile.mkstemp(prefix="consilience-", suffix=".parquet")
    os.close(handle)
    try:
        source.sink_parquet(path)
        table = parquet.read(Path(path), root=root)
    finally:
        os.unlink(path)  # the open file outlives its name
    return replace(table, name="the polars LazyFrame")
