"""Flags (npm `emoji-datasource-twitter`) and facts of their countries (npm `world-countries`, ODbL) -> region.

The packages are the user's to install; the pictures stay where they are, and only the table is written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from consilience.core.errors import UserError
from consilience.data.sources import write
from consilience.workflows.demos.base import Demo

_PICTURES, _COUNTRIES = "emoji-datasource-twitter", "world-countries"
_FLAG = 0x1F1E6
"""The first of the 26 characters, one a letter, of which two make a flag."""


def prepare(folder: Path) -> Demo:
    """Raises UserError, with the command that installs them, when the packages are not there."""
    root = modules(folder)
    rows = countries(root)
    path = folder / "flags.csv"
    write({name: [row[name] for row in rows] for name in rows[0]}, path)
    return Demo(
        about=f"flags: {len(rows):,} countries with a picture and a table in {path}; files in {root}",
        sources={"train": path},
        flags={
            "target": "region",
            "time_budget": 120.0,
            "data": {"split": [0.6, 0.2, 0.2], "media_root": str(root), "ignore": ["code"]},
        },
    )


def modules(folder: Path) -> Path:
    """The node_modules folder, in `folder` or the working directory, that has both packages."""
    for parent in (folder, Path()):
        found = parent / "node_modules"
        if (found / _PICTURES).is_dir() and (found / _COUNTRIES).is_dir():
            return found.resolve()
    raise UserError(
        f"the flags are not there: no node_modules with {_PICTURES} and {_COUNTRIES} in {folder} or here. Install "
        f"them: npm install --prefix {folder} {_PICTURES} {_COUNTRIES} (about 100 MB), then run the demo again"
    )


def countries(root: Path) -> list[dict[str, Any]]:
    """A row for every country with a flag, in the order of their codes. Raises UserError for files of another form."""
    path = root / _COUNTRIES / "countries.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        rows = [_row(country, root) for country in sorted(known, key=lambda country: country["cca2"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the file this demo knows ({error!r}); install {_COUNTRIES}@5") from error
    found = [row for row in rows if row is not None]
    if not found:
        raise UserError(f"{root / _PICTURES}: no picture of a flag is there; install {_PICTURES}@16")
    return found


def _row(country: dict[str, Any], root: Path) -> dict[str, Any] | None:
    """None where there is no picture of the flag."""
    code = country["cca2"]
    points = "-".join(f"{_FLAG + ord(letter) - ord('A'):x}" for letter in code)
    picture = Path(_PICTURES) / "img" / "twitter" / "64" / f"{points}.png"
    if not (root / picture).is_file():
        return None
    return {
        "code": code,
        "flag": picture.as_posix(),
        "name": country["name"]["common"],
        "name_zh": country["translations"].get("zho", {}).get("common", ""),
        "languages": ", ".join(country["languages"].values()),
        "area": country["area"],
        "borders": len(country["borders"]),
        "landlocked": country["landlocked"],
        "independent": country["independent"],
        "region": country["region"],
    }
