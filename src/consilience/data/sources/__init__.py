"""Where tables come from and where they go: files by extension, objects by type. Knows no modality.

A source file (csv.py, parquet.py, memory.py) turns one kind of thing into a Table of raw cells, or back.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError
from consilience.data.sources import csv, memory, parquet
from consilience.data.table import Table

READERS = {".csv": csv.read, ".tsv": csv.read, ".parquet": parquet.read}
WRITERS = {".csv": csv.write, ".tsv": csv.write, ".parquet": parquet.write, ".jsonl": memory.write_jsonl}


_LISTS = (".parquet", ".jsonl")
"""Files whose cells may be lists."""


def holds_lists(path: Path) -> bool:
    """Whether a cell of such a file may be a list; elsewhere it is the JSON of one (`flat`)."""
    return path.suffix.lower() in _LISTS


def flat(cell: Any) -> Any:
    """A cell for a file whose cells are single values: a list becomes its JSON."""
    return json.dumps(list(cell), ensure_ascii=False) if isinstance(cell, list | tuple) else cell


def read(source: Any, *, root: Path | None = None, encoding: str = "utf-8") -> Table:
    """A table from a path (.csv, .tsv, .parquet), a pandas DataFrame, a pyarrow Table, a list of dicts (rows), a dict
    of lists (columns), or a Table, which is returned as it is.

    root: where relative paths in cells start; the folder of the file, or the working directory, unless given.
    encoding: of a CSV or TSV file. Raises DataError, naming the file and where possible the line.
    """
    if isinstance(source, Table):
        return source
    if not isinstance(source, str | os.PathLike):
        return memory.read(source, root=Path.cwd() if root is None else Path(root))
    path = Path(source)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: cannot tell what kind of table this is; known are {', '.join(READERS)}")
    try:
        if path.is_dir():
            raise DataError(f"{path}: this is a folder; give the table file in it")
        return reader(path, root=path.parent if root is None else Path(root), encoding=encoding)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file (looked from {Path.cwd()})") from error
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}") from error


def write(columns: Mapping[str, Sequence[Any]], path: str | Path) -> None:
    """Write columns of plain values to .csv, .tsv, .parquet or .jsonl; readers see the old file or the whole new one.

    Numbers keep every digit (`repr`); None and NaN become an empty CSV cell and a JSON null.
    """
    path = Path(path)
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise DataError(f"{path}: cannot tell in what form to write this; known are {', '.join(WRITERS)}")
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{path}: columns of different lengths cannot be written: {lengths}")
    # Beside the target, because os.replace is atomic only within one file system.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        writer(columns, temporary, path)
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
