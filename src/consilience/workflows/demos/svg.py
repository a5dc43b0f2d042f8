"""SVG -> PNG by `rsvg-convert` (Debian `librsvg2-bin`), for data sets with drawings. Knows no data set."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from consilience.core.errors import BadCell
from consilience.core.limits import Limits
from consilience.modalities.image.load import opened

PROGRAM, PACKAGE = "rsvg-convert", "librsvg2-bin"
_SIDE = 256
"""Pixels of a picture's longer side; drawings have no size of their own."""
_SECONDS = 60.0
"""Longest that one drawing may take; most take a thirtieth of a second."""


def can_render() -> bool:
    return shutil.which(PROGRAM) is not None


def render(drawings: Mapping[Path, Path]) -> dict[Path, str]:
    """Write each SVG (key) as a PNG (value) on a transparent background, as many at once as there are cores.

    Returns {SVG: reason} for those that cannot be rendered, of which nothing is written. Raises OSError when a PNG
    cannot be written.
    """
    from loky import cpu_count

    with ThreadPoolExecutor(cpu_count()) as pool:
        reasons = pool.map(_render, drawings.keys(), drawings.values())
        return {svg: reason for svg, reason in zip(drawings, reasons, strict=True) if reason is not None}


def _render(svg: Path, png: Path) -> str | None:
    """None, or why it cannot be rendered."""
    try:
        content = _drawn(svg)
    except BadCell as bad:
        return bad.reason
    png.parent.mkdir(parents=True, exist_ok=True)
    png.write_bytes(content)
    return None


def _drawn(svg: Path) -> bytes:
    """The PNG, checked. Raises BadCell."""
    size = ("--keep-aspect-ratio", f"--width={_SIDE}", f"--height={_SIDE}")
    try:
        done = subprocess.run(
            [PROGRAM, *size, str(svg.absolute())], stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise BadCell(f"{PROGRAM} was stopped after {_SECONDS:g} seconds") from error
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise BadCell(f"{PROGRAM} ended with {done.returncode}: {said}")
    with opened(done.stdout, Limits()) as picture:
        if picture.convert("RGBA").getbbox() is None:  # every pixel is transparent
            raise BadCell("nothing is drawn in it")
    return done.stdout
