"""Folders: of class folders (the name of the folder is the label), of files alone, of table files, of sides.

    photos/cat/1.png      one row a file: the file in a column called after its modality, `label` = "cat"
    photos/train/cat/…    and photos/test/cat/…: the sides of a split; `fit` uses each for what it is
    data/part-*.parquet   one table; train-*.parquet and test-*.parquet are sides

Files that no modality of media recognises are left out and told of; what is hidden is skipped.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError
from consilience.data.sources import media
from consilience.data.sources.paths import PACKED, TABLES, kind
from consilience.data.table import Table

LABEL = "label"
SIDES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}
"""What the parts of a split are called, and the side each is."""
_SHOWN = 3


def sides(path: Path) -> dict[str, Any] | None:
    """Side -> path or paths, when everything in the folder is called after sides, training among them; else None.

    Raises DataError: two folders of one side (val and dev).
    """
    entries = _visible(path)
    folders = [entry for entry in entries if entry.is_dir()]
    if len(folders) == 1 and not table_files(path) and folders[0].name.lower() not in SIDES:
        return sides(folders[0]) if table_files(folders[0]) else None  # as hubs lay them out: data/train-*.parquet
    if folders and all(folder.name.lower() in SIDES for folder in folders):
        named = [(SIDES[folder.name.lower()], folder) for folder in folders]
        if len({side for side, _ in named}) < len(named):
            raise DataError(f"{path}: two folders are the same side: {', '.join(f.name for f in folders)}; keep one")
        return _in_order(dict(named)) if any(side == "train" for side, _ in named) else None
    files = table_files(path)
    parts: dict[str, list[Path]] = {}
    for file in files:
        word = file.name.lower().replace("_", "-").replace(".", "-").split("-")[0]
        if word not in SIDES:
            return None
        parts.setdefault(SIDES[word], []).append(file)
    return _in_order(parts) if "train" in parts and len(parts) > 1 else None


def _in_order(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {side: parts[side] for side in ("train", "valid", "test") if side in parts}


def table_files(path: Path) -> list[Path]:
    """The table files that lie in the folder itself."""
    return [entry for entry in _visible(path) if entry.is_file() and is_table(entry)]


def is_table(path: Path) -> bool:
    ending = kind(path)
    return any(ending.removesuffix(packed) in TABLES for packed in ("", *PACKED))


def read(path: Path) -> Table:
    """One row a media file, ordered by name. Raises DataError: no media file in it."""
    classes = [entry for entry in _visible(path) if entry.is_dir()]
    loose = [entry.name for entry in _visible(path) if entry.is_file()]
    rows = [(name, folder.name) for folder in classes for name in _walk(path, folder)]
    notes: list[str] = []
    if not classes:
        rows = [(name, "") for name in loose]
    elif loose:
        notes.append(f"{path}: {len(loose):,} files lie in no class folder and were left out ({_some(loose)})")
    endings: dict[str, list[str]] = {}
    for name, _ in rows:
        endings.setdefault(os.path.splitext(name)[1].lower(), []).append(name)
    owner = media.owners(endings, path)
    used = [(name, label, owner[os.path.splitext(name)[1].lower()]) for name, label in rows]
    other = [name for name, _, whose in used if whose is None]
    used = [row for row in used if row[2] is not None]
    if not used:
        raise DataError(
            f"{path}: no table and no media file in this folder ({len(rows):,} files"
            + (f", such as {_some([name for name, _ in rows])}" if rows else "")
            + "). Give a table file, or a folder with one folder of files for each class"
        )
    if other:
        kinds = Counter(os.path.splitext(name)[1].lower() or "without an ending" for name in other)
        told = ", ".join(f"{count:,} {ending}" for ending, count in kinds.most_common(_SHOWN))
        notes.append(f"{path}: {len(other):,} files are no media and were left out ({told}; {_some(other)})")
    empty = sorted({folder.name for folder in classes} - {label for _, label, _ in used})
    if empty:
        notes.append(f"{path}: no media file in {', '.join(empty)}")
    columns: dict[str, list[Any]] = {}
    for whose in sorted({str(whose) for _, _, whose in used}):
        columns[whose] = [name if owned == whose else None for name, _, owned in used]
    if classes:
        columns[LABEL] = [label for _, label, _ in used]
    return Table(columns=columns, name=str(path), root=path, notes=tuple(notes))


def has_media(path: Path) -> bool:
    """Whether `read` would find something."""
    try:
        return len(read(path)) > 0
    except DataError:
        return False


def _walk(path: Path, folder: Path) -> list[str]:
    """The files below a class folder, as paths that start at `path`. Links to folders are not followed."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [os.path.relpath(os.path.join(place, n), path) for n in sorted(names) if not n.startswith(".")]
    return found


def _visible(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def all_tables(path: Path) -> Iterator[Path]:
    """Table files anywhere below."""
    for place, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith(".") and is_table(Path(name)))
