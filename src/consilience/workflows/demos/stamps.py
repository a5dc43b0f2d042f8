"""Tux Paint stamps (Debian `tuxpaint-stamps-default`, GPL-2): a picture, its caption, somebody speaking it -> category.

The files stay where the package put them; only the table is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from consilience.core.errors import UserError
from consilience.data.sources import write
from consilience.workflows.demos.base import Demo

STAMPS = Path("/usr/share/tuxpaint/stamps")
_CATEGORIES = 10
"""The largest ones; the others have too few stamps to learn from."""
_LANGUAGE = "es"
"""Of the speech: Spanish, the most complete recordings beside captions in English."""
_NOT_STAMPS = ("_mirror", "_flip", "_mirror_flip")
"""Endings of pictures that are another's mirror image."""

Row = dict[str, str]


def prepare(folder: Path) -> Demo:
    """Raises UserError, with the command that installs them, when the stamps are not there."""
    rows = frequent(list(stamps(STAMPS)) if STAMPS.is_dir() else [])
    if not rows:
        raise UserError(
            f"the stamps of Tux Paint are not in {STAMPS}. On Debian or Ubuntu: "
            "sudo apt-get install tuxpaint-stamps-default (161 MB), then run the demo again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "stamps.csv"
    write({name: [row[name] for row in rows] for name in rows[0]}, path)
    return Demo(
        about=f"Tux Paint stamps: {len(rows):,} pictures with captions and Spanish speech in {path}; files in {STAMPS}",
        sources={"train": path},
        flags={
            "target": "category",
            "time_budget": 240.0,
            # Several stamps of one thing share their caption: it must not stand on both sides of the split.
            "data": {"split": [0.6, 0.2, 0.2], "media_root": str(STAMPS), "group": "thing"},
        },
    )


def stamps(root: Path) -> Iterator[Row]:
    """Every stamp with a PNG picture, a caption and speech, in the order of their paths, which start at `root`."""
    for picture in sorted(root.rglob("*.png")):
        words = picture.with_suffix(".txt")
        speech = picture.with_name(f"{picture.stem}_desc_{_LANGUAGE}.ogg")
        if picture.stem.endswith(_NOT_STAMPS) or not words.is_file() or not speech.is_file():
            continue
        caption = words.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
        if caption:
            yield {
                "picture": picture.relative_to(root).as_posix(),
                "caption": caption,
                "speech": speech.relative_to(root).as_posix(),
                "thing": caption.lower(),
                "category": picture.relative_to(root).parts[0],
            }


def frequent(rows: list[Row]) -> list[Row]:
    """The rows of the largest categories."""
    counts = Counter(row["category"] for row in rows)
    kept = {name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_CATEGORIES]}
    return [row for row in rows if row["category"] in kept]
