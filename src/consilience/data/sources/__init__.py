"""Where tables come from and where they go: files by extension, folders, objects by type. Knows no modality.

A source file (csv.py, jsonl.py, parquet.py, shards.py, folder.py, memory.py ...) turns one kind of thing into a Table
of raw cells, or back.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from consilience.core.arguments import path_of
from consilience.core.errors import DataError
from consilience.core.files import Confined, followed
from consilience.data.sources import csv, folder, jsonl, memory, parquet, saved, shards, text
from consilience.data.sources.content import LINES, LIST, OTHER, PARQUET, TAR, TEXT, UTF16, content_of
from consilience.data.sources.paths import expand, is_path, kind
from consilience.data.sources.several import joined
from consilience.data.table import Table

READERS = {
    ".csv": csv.read,
    ".tsv": csv.read,
    ".parquet": parquet.read,
    ".jsonl": jsonl.read,
    ".ndjson": jsonl.read,
    ".csv.gz": csv.read,
    ".tsv.gz": csv.read,
    ".jsonl.gz": jsonl.read,
    ".ndjson.gz": jsonl.read,
    ".tar": shards.read,
    ".tar.gz": shards.read,
}
LOOSE = (jsonl.read, shards.read)
"""Readers of files whose rows name their columns themselves: a column that one file lacks is missing there."""
_OWN = {
    csv.read: (TEXT,),
    jsonl.read: (LINES, TEXT, LIST),  # what is wrong with the latter two is said with the line
    parquet.read: (PARQUET,),
    shards.read: (TAR, OTHER),
}
"""What the files of a reader hold."""
_READ_AS = {".jsonl": jsonl.read, ".parquet": parquet.read}
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
    """A table from a path: .csv, .tsv, .jsonl, .ndjson (each also .gz), .parquet, .tar shards, or a folder (of class
    folders, of table files, saved by Hugging Face `datasets`); a pattern, several paths with commas, or a list of them;
    a pandas or polars DataFrame, a pyarrow Table, a Hugging Face dataset, a list of dicts (rows), any iterable of dicts
    (read once), a dict of lists (columns), or a Table, which is returned as it is.

    root: where relative paths in cells start; the folder of the file, or the working directory, unless given. The table
    is the user's own, so absolute paths and links are followed wherever they lead, unless the root is `Confined`.
    encoding: of text files. Raises DataError, naming the file and where possible the line.
    """
    if isinstance(source, Table):
        return source
    table = _read_any(source, root, encoding)
    confined = isinstance(root, Confined)
    return replace(table, root=Confined(table.root) if confined else followed(table.root))


def _read_any(source: Any, root: Path | None, encoding: str) -> Table:
    if root is not None and not path_of("media root", root).is_dir():
        raise DataError(f"media root {root}: there is no such folder")
    if not is_path(source):
        return memory.read(source, root=Path.cwd() if root is None else Path(root))
    found = [path for one in expand(source) for path in _files(one)]
    if not found:
        raise DataError(f"{source}: no table file in it")
    if len(found) == 1:
        return _read(found[0], root, encoding)
    readers = {path: _reader(path) if path.is_file() else None for path in found}
    if len({*readers.values()}) > 1 or None in readers.values():
        shown = ", ".join(f"{path.name} ({kind(path) or 'folder'})" for path in found[:5])
        raise DataError(
            f"files that are read as one table must be of one kind, or the same value would be two (text in one, a "
            f"number in another); here are {shown}. Give each kind a run of its own, or convert"
        )
    loose = readers[found[0]] in LOOSE
    return joined([_read(path, root, encoding) for path in found], name=_name(source, found), loose=loose)


def sides(source: Any) -> dict[str, Any]:
    """Training, validation and test sources of what may hold all of them: a folder of sides, a dict of datasets.

    {"train": source} of any other.
    """
    if isinstance(source, str | os.PathLike) and (path := Path(source)).is_dir():
        found = saved.sides(path) if saved.is_saved(path) else folder.sides(path)
        return {"train": source} if found is None else found
    return memory.sides(source) or {"train": source}


def write(columns: Mapping[str, Sequence[Any]], path: str | Path) -> None:
    """Write columns of plain values to .csv, .tsv, .parquet or .jsonl; readers see the old file or the whole new one.
    Its folder is made.

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
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            writer(columns, temporary, path)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


def _files(path: Path) -> list[Path]:
    """The file, or the table files of a folder of them; a folder of another kind is itself."""
    if not path.is_dir() or saved.is_saved(path):
        return [path]
    if (parts := folder.sides(path)) is not None:
        names = " or ".join(str(part if isinstance(part, Path) else f"{part[0]} …") for part in parts.values())
        raise DataError(f"{path}: this folder holds the sides of a split ({', '.join(parts)}); say which: {names}")
    here = folder.table_files(path)
    if here:
        return here
    below = list(folder.all_tables(path))
    return below if below and not folder.has_media(path) else [path]


def _reader(path: Path) -> Any:
    ending = kind(path)
    reader = READERS.get(ending) or READERS.get(path.suffix.lower())
    if reader is None:
        hint = " (a .json file of one list: write each object of it on a line of its own, as .jsonl)"
        raise DataError(
            f"{path}: cannot tell what kind of table this is; known are {', '.join(READERS)}, and folders"
            + (hint if ending == ".json" else "")
        )
    return reader


def _read(path: Path, root: Path | None, encoding: str) -> Table:
    try:
        if path.is_dir():
            return saved.read(path) if saved.is_saved(path) else folder.read(path)
        reader, notes = _by_content(path, _reader(path), encoding)
        table: Table = reader(path, root=path.parent if root is None else Path(root), encoding=encoding)
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}") from error
    return replace(table, notes=(*notes, *table.notes)) if notes else table


def _by_content(path: Path, reader: Any, encoding: str) -> tuple[Any, tuple[str, ...]]:
    """The reader of what the file really holds, and what to say where that is not what it is called. Raises DataError
    for what cannot be read."""
    content, packed, called = content_of(path), text.is_packed(path), kind(path)
    own = content in _OWN[reader]
    if not text.is_utf8(encoding) and content.name in (OTHER.name, UTF16.name):
        own = TEXT in _OWN[reader]  # the user says how it is to be read
    true = reader if own else _READ_AS.get(content.ending)
    if path.stat().st_size == 0:
        return reader, ()
    if true is None or (packed and true is parquet.read):
        within = "packed with gzip, and in it " if packed else ""
        advice = "unpack it first: gzip -dc FILE > table.parquet" if packed and content is PARQUET else content.advice
        raise DataError(f"{path}: it is {within}{content.name}, though it is called {called}; {advice}")
    notes = []
    if true is not reader:
        notes.append(f"{path}: read as {content.name}, which it is, though it is called {called}")
    elif packed != called.endswith(".gz"):
        notes.append(f"{path}: it is {'' if packed else 'not '}packed with gzip, though its name says otherwise")
    return true, tuple(notes)


def _name(source: Any, found: Sequence[Path]) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else f"{found[0]} and {len(found) - 1} more"
