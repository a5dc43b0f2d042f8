"""What a user means by a path: one file, a pattern (`data/*.csv`, `part-{000..004}.tar`), several with commas, a list.

Looks at names only; knows no format.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from consilience.core.errors import DataError

MOST = 100_000
"""Names that braces may stand for."""
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MAGIC = re.compile(r"[*?\[]")

TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".tar")
PACKED = (".gz",)


def is_path(source: Any) -> bool:
    """Whether a source is a path, a pattern, or a list of them."""
    if isinstance(source, str | os.PathLike):
        return True
    parts = source if isinstance(source, list | tuple) else ()
    return bool(parts) and all(isinstance(part, str | os.PathLike) for part in parts)


def kind(path: Path) -> str:
    """The ending that says what a file is, in lower case: ".csv", or ".csv.gz"."""
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    if endings[-1:] == [".tgz"]:
        return ".tar.gz"
    if len(endings) == 2 and endings[1] in PACKED:
        return "".join(endings)
    return endings[-1] if endings else ""


def expand(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files and folders that are meant, those of a pattern in the order of their names.

    A name that exists is that file, whatever signs are in it. Raises DataError: nothing is there, or one file is meant
    twice, whose rows would count twice.
    """
    if isinstance(source, str | os.PathLike):
        found = _one(os.fspath(source))
    else:
        found = [path for part in source for path in _one(os.fspath(part))]
    seen: set[str] = set()
    for path in found:
        real = os.path.realpath(path)
        if real in seen:
            raise DataError(f"{path}: this file is meant twice, and its rows would count twice; name it once")
        seen.add(real)
    return found


def _one(text: str) -> list[Path]:
    if "\0" in text:
        raise DataError(f"{text!r}: a path cannot hold a NUL byte")
    if _there(text):
        return [Path(text)]
    parts = [part.strip() for part in _split(text)]
    if len(parts) > 1:
        if not all(parts):
            raise DataError(f"{text}: a name between the commas is empty")
        return [path for part in parts for path in _one(part)]
    found: list[Path] = []
    for name in _braces(text):
        if _there(name):
            found.append(Path(name))
        elif _MAGIC.search(name):
            matches = sorted(glob.glob(name, recursive=True))
            if not matches:
                raise DataError(f"{name}: no file matches this pattern (looked from {Path.cwd()})")
            found += map(Path, matches)
        else:
            raise DataError(f"{name}: no such file (looked from {Path.cwd()})")
    return found


def _there(name: str) -> bool:
    try:
        return os.path.exists(name)
    except (OSError, ValueError):
        return False


def _split(text: str) -> list[str]:
    """At the commas that are not inside braces."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "{") - (sign == "}")
        if sign == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _braces(text: str) -> list[str]:
    names = []
    for name in _choices(text):
        names.append(name)
        if len(names) > MOST:
            raise DataError(f"{text}: the braces stand for more than {MOST:,} names")
    return names


def _choices(text: str) -> Iterator[str]:
    """Every name that `{000..004}` and `{a,b}` stand for; braces around anything else are signs like others."""
    for found in re.finditer(r"\{([^{}]*)\}", text):
        inside, (begin, end) = found.group(1), found.span()
        options: Sequence[str] | Iterator[str]
        if (span := _RANGE.fullmatch(inside)) is not None:
            first, last = span.groups()
            width = max(len(first), len(last)) if first.startswith("0") or last.startswith("0") else 0
            step = 1 if int(first) <= int(last) else -1
            options = (f"{n:0{width}d}" for n in range(int(first), int(last) + step, step))
        elif "," in inside:
            options = inside.split(",")
        else:
            continue
        for option in options:
            for rest in _choices(text[end:]):
                yield text[:begin] + option + rest
        return
    yield text
