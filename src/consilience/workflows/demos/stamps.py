"""Tux Paint stamps (Debian `tuxpaint-stamps-default`, GPL-2): a picture, its caption, somebody speaking it -> category.

A sixth of the pictures are drawings (SVG), rendered here. All paths of a table start at one folder, so the other files
are copied beside them.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from consilience.core.errors import UserError
from consilience.data.sources import write
from consilience.workflows.demos import svg
from consilience.workflows.demos.base import Demo

STAMPS = Path("/usr/share/tuxpaint/stamps")
_CATEGORIES = 10
"""The largest ones; the others have too few stamps to learn from."""
_LANGUAGE = "es"
"""Of the speech: Spanish, the most complete recordings beside captions in English."""
_NOT_STAMPS = ("_mirror", "_flip", "_mirror_flip")
"""Endings of pictures that are another's mirror image."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    picture: Path
    """PNG or, where there is none, SVG. Paths start at the folder of all stamps."""
    speech: Path
    caption: str

    @property
    def category(self) -> str:
        return self.picture.parts[0]

    @property
    def is_drawing(self) -> bool:
        return self.picture.suffix == ".svg"


def prepare(folder: Path) -> Demo:
    """Raises UserError, with the command that installs them, when the stamps are not there."""
    found = list(stamps(STAMPS)) if STAMPS.is_dir() else []
    if not found:
        raise UserError(
            f"the stamps of Tux Paint are not in {STAMPS}. On Debian or Ubuntu: sudo apt-get install "
            f"tuxpaint-stamps-default {svg.PACKAGE} (161 MB), then run the demo again"
        )
    media, path = folder / "stamps", folder / "stamps.csv"
    try:
        left_out = _render([stamp.picture for stamp in found if stamp.is_drawing], media)
        kept = frequent([stamp for stamp in found if stamp.picture not in left_out])
        for stamp in kept:
            _copy((stamp.speech,) if stamp.is_drawing else (stamp.picture, stamp.speech), media)
    except OSError as error:
        raise UserError(f"{error.filename or media}: cannot be read or written: {error.strerror or error}") from error
    columns = {
        "picture": [f"{media.name}/{stamp.picture.with_suffix('.png').as_posix()}" for stamp in kept],
        "caption": [stamp.caption for stamp in kept],
        "speech": [f"{media.name}/{stamp.speech.as_posix()}" for stamp in kept],
        "thing": [stamp.caption.lower() for stamp in kept],
        "category": [stamp.category for stamp in kept],
    }
    write(columns, path)
    return Demo(
        about=f"Tux Paint stamps: {len(kept):,} pictures with captions and Spanish speech in {path}; files in {media}",
        notes=tuple(dict.fromkeys(left_out.values())),
        sources={"train": path},
        flags={
            "target": "category",
            "time_budget": 240.0,
            # Several stamps of one thing share their caption: it must not stand on both sides of the split.
            "data": {"split": [0.6, 0.2, 0.2], "group": "thing"},
        },
    )


def stamps(root: Path) -> Iterator[Stamp]:
    """Every stamp with a picture, a caption and speech, in the order of their paths."""
    for picture in sorted(path for path in root.rglob("*") if path.suffix in (".png", ".svg")):
        words = picture.with_suffix(".txt")
        speech = picture.with_name(f"{picture.stem}_desc_{_LANGUAGE}.ogg")
        if picture.stem.endswith(_NOT_STAMPS) or not words.is_file() or not speech.is_file():
            continue
        if picture.suffix == ".svg" and picture.with_suffix(".png").is_file():
            continue  # the same picture once more
        caption = words.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
        if caption:
            yield Stamp(picture=picture.relative_to(root), speech=speech.relative_to(root), caption=caption)


def frequent(found: list[Stamp]) -> list[Stamp]:
    """The stamps of the largest categories."""
    counts = Counter(stamp.category for stamp in found)
    kept = {name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_CATEGORIES]}
    return [stamp for stamp in found if stamp.category in kept]


def _render(drawings: list[Path], media: Path) -> dict[Path, str]:
    """Those that are not in `media` as a PNG now, and what to say of each. Raises OSError."""
    if not svg.can_render():
        why = (
            f"{len(drawings)} stamps whose only picture is an SVG are left out, for {svg.PROGRAM} is not installed. "
            f"On Debian or Ubuntu: sudo apt-get install {svg.PACKAGE}, then run the demo again"
        )
        return dict.fromkeys(drawings, why)
    refused = svg.render({STAMPS / drawing: media / drawing.with_suffix(".png") for drawing in drawings})
    return {
        path.relative_to(STAMPS): f"{path}: this stamp is left out, for it cannot be rendered: {why}"
        for path, why in refused.items()
    }


def _copy(files: Iterable[Path], media: Path) -> None:
    for file in files:
        (media / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(STAMPS / file, media / file)
