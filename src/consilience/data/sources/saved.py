"""Hugging Face datasets: objects of the package `datasets`, and folders that `save_to_disk` left.

Media columns are read as they are stored (bytes, or a path), never decoded by that package; class numbers become the
names they stand for. Rows stay where they are: in memory, or mapped from their Arrow files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError
from consilience.core.optional import need
from consilience.data.sources import parquet, stream
from consilience.data.sources.folder import SIDES
from consilience.data.sources.memory import unique_names
from consilience.data.table import LazyColumn, Table, block_of


def is_saved(path: Path) -> bool:
    """Whether `save_to_disk` left this folder."""
    one = (path / "dataset_info.json").is_file() and (path / "state.json").is_file()
    return one or (path / "dataset_dict.json").is_file()


def read(path: Path) -> Table:
    """A saved dataset; relative paths start at its folder. Raises DataError for a dict of them, and a damaged one."""
    return from_object(_load(path), root=path, name=str(path))


def sides(path: Path) -> dict[str, Any] | None:
    """Side -> folder of a saved dict of datasets; None of one dataset."""
    if not (path / "dataset_dict.json").is_file():
        return None
    return by_side({entry.name: entry for entry in sorted(path.iterdir()) if is_saved(entry)}, str(path))


def by_side(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Side -> dataset, from the names of splits. Raises DataError: no training split, or a name that is no side."""
    named: dict[str, Any] = {}
    for split, data in found.items():
        side = SIDES.get(split.lower())
        if side is None or side in named:
            shown = ", ".join(found)
            raise DataError(
                f"{name}: which of its splits ({shown}) is for training, validation and test cannot be told from their "
                f"names. Give them one by one: fit(data['…'], valid=data['…'], test=data['…'])"
            )
        named[side] = data
    if "train" not in named:
        raise DataError(f"{name}: it has no split called train, only {', '.join(found)}; give one of them")
    return {side: named[side] for side in ("train", "valid", "test") if side in named}


def from_object(data: Any, *, root: Path, name: str = "the dataset") -> Table:
    """A Table from a Dataset (lazily) or an IterableDataset (read once)."""
    datasets = need("datasets", extra="datasets", to="read Hugging Face datasets")
    if isinstance(data, dict):
        raise DataError(f"{name} holds several splits: {', '.join(map(str, data))}; give one of them: data['…']")
    classes = {c: kind.names for c, kind in (data.features or {}).items() if isinstance(kind, datasets.ClassLabel)}
    if isinstance(data, datasets.IterableDataset):
        return stream.read(_rows(data, classes), root=root, name=name)
    need("pyarrow", extra="train", to="read Hugging Face datasets")
    plain = data.with_format("arrow")
    rows, size = len(data), data.dataset_size or data.data.nbytes
    names = unique_names(data.column_names, name)
    block = block_of(size / max(rows, 1))
    columns = {}
    for column in names:
        kind = data.features.arrow_schema.field(column).type

        def cells(begin: int, end: int, column: str = column) -> Any:
            return plain.select_columns([column])[begin:end].column(0)

        lazy = parquet.lazy(cells, rows, kind, table=name, column=column, block=block)
        columns[column] = _named(lazy, classes[column]) if column in classes else lazy
    return Table(columns=columns, name=name, root=root)


def _load(path: Path) -> Any:
    datasets = need("datasets", extra="datasets", to="read a folder that save_to_disk left")
    try:
        return datasets.load_from_disk(str(path))
    except Exception as error:  # whatever damaged JSON and Arrow files make the package raise
        raise DataError(f"{path}: not a readable saved dataset: {type(error).__name__}: {error}") from error


def _named(cells: LazyColumn, names: list[str]) -> LazyColumn:
    """Class numbers as their names; -1 is how the package says "no label"."""

    def make(begin: int, end: int) -> list[Any]:
        return [_class(cell, names) for cell in cells[begin:end]]

    return LazyColumn(len(cells), make, block=cells.block)


def _class(number: Any, names: list[str]) -> str | None:
    return names[number] if number is not None and 0 <= number < len(names) else None


def _rows(data: Any, classes: Mapping[str, list[str]]) -> Iterator[dict[str, Any]]:
    for row in data.decode(False) if hasattr(data, "decode") else data:
        yield {c: _class(v, classes[c]) if c in classes and isinstance(v, int) else v for c, v in row.items()}
