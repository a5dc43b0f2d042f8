"""From a cell (see core/files.py) to a checked and opened picture. The only file that calls Pillow's decoders.

Nothing is decoded before its header has been held against the limits, and whatever a decoder raises is one BadCell.
Refuses to know sizes, normalisation and everything learned from training rows.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin, UnidentifiedImageError, features

from consilience.core import files
from consilience.core.errors import BadCell
from consilience.core.limits import Limits

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
"""The only decoders that ever see a user's bytes, HEIF aside, which a plug-in reads; Pillow has forty more, most of
them rarely tested."""

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif", ".hif", ".mpo"),
)

REDUCED = 4
"""A baseline JPEG may have this many times `limits.pixels`: it is decoded at a fraction of its size."""

PHOTOMETRIC = 0x0106  # the TIFF tag
ORIENTATION = 0x0112  # the EXIF tag


def picture_format(head: bytes) -> str | None:
    """The format the first 32 bytes announce (its magic number), or None. Says nothing about the rest."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[4:8] == b"ftyp" and (brands := {head[at : at + 4] for at in (8, *range(16, len(head) - 3, 4))}):
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"} or head[8:12] in (b"mif1", b"msf1"):
            return "HEIF"
    # "BM" alone begins many English texts: the size of the second header, four bytes, must be a real one too.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124):
        return "BMP"
    return None


@contextmanager
def opened(content: Any, limits: Limits) -> Iterator[Image.Image]:
    """A picture whose header is read and within the limits, its pixels not yet decoded.

    `content` is bytes or an open file. Raises BadCell for everything that goes wrong inside the `with` block too.
    """
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    head = source.read(32)
    source.seek(0)
    try:
        # Limited to Pillow's own modules: a warning of ours must still be seen.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            with _open(source, picture_format(head)) as picture:
                # A progressive JPEG is kept whole while it is decoded, whatever size is asked for.
                reduced = picture.format == "JPEG" and not picture.info.get("progressive")
                check_size(picture.width, picture.height, limits, times=REDUCED if reduced else 1)
                yield picture
    except BadCell:
        raise
    except Image.DecompressionBombError as error:
        most = min(limits.pixels, 2 * (Image.MAX_IMAGE_PIXELS or limits.pixels))
        raise BadCell(f"too many pixels according to its header; the limit is {most:,} (limits.pixels)") from error
    except UnidentifiedImageError as error:
        raise BadCell(_unidentified(head)) from error
    except MemoryError as error:
        raise BadCell("not enough memory to decode the picture") from error
    except Exception as error:  # decoders raise anything at all on damaged bytes: SyntaxError, struct.error, IndexError
        raise BadCell(f"the {picture_format(head) or 'picture'} file is {_damage(error)}") from error


def _open(source: Any, kind: str | None) -> Image.Image:
    if kind == "JPEG":  # not Image.open, which refuses by the size of the whole, whatever of it is decoded
        return JpegImagePlugin.JpegImageFile(source)
    if kind == "HEIF":
        try:
            import pi_heif
        except ImportError as error:
            raise BadCell(
                "an HEIC image, as phones take them: to read it, pip install 'consilience[media]', or convert it to "
                "JPEG"
            ) from error
        pi_heif.register_heif_opener()
        return Image.open(source, formats=("HEIF",))
    if kind == "AVIF" and not features.check("avif"):
        raise BadCell("an AVIF image, which this build of Pillow cannot read; convert it to JPEG or PNG")
    return Image.open(source, formats=FORMATS)


def check_size(width: int, height: int, limits: Limits, *, times: int = 1) -> None:
    """Raises BadCell for a picture of no pixels, or of more than `times` the limit."""
    if width < 1 or height < 1:
        raise BadCell("the picture has no pixels")
    if width * height > times * limits.pixels:
        raise BadCell(
            f"{width:,} x {height:,} = {width * height:,} pixels; the limit is {times * limits.pixels:,} "
            "(limits.pixels)"
        )


def content_of(cell: Any, root: Path, limits: Limits) -> bytes:
    """The bytes of a raw cell. Raises BadCell."""
    if not isinstance(cell, str | bytes):
        raise BadCell(f"expected the path of a picture or its bytes, got {type(cell).__name__}")
    return files.read(cell, root=root, max_bytes=limits.bytes)


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (as stored) when there is none or the EXIF block is damaged."""
    try:
        value = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged metadata raises anything; the pixels are still good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def header(cell: Any, root: Path) -> tuple[tuple[int, int], bool] | None:
    """Width and height from the header alone, and whether the image is deep grey (`is_deep`); None when the cell has no
    header that can be read."""
    if not isinstance(cell, str | bytes):
        return None
    try:
        with files.open_cell(cell, root, Limits().bytes) as source, opened(source, Limits()) as picture:
            return picture.size, is_deep(picture)
    except (BadCell, OSError):
        return None


def is_deep(picture: Image.Image) -> bool:
    """Whether its grey levels have more than 8 bits, or are fractions."""
    return picture.mode in ("F", "I") or picture.mode.startswith("I;")


def is_inverted(picture: Image.Image) -> bool:
    """Whether 0 is white in a deep TIFF (some X-rays); of 8 bits and fewer Pillow turns that round itself. Ask before
    the pixels are loaded."""
    tags = getattr(picture, "tag_v2", {})
    return is_deep(picture) and tags.get(PHOTOMETRIC) == 0


def levels(cell: Any, root: Path) -> np.ndarray | None:
    """The lowest and the highest grey level of a deep image, and whether all are whole [3] float64; None where it
    cannot be read."""
    try:
        with files.open_cell(cell, root, Limits().bytes) as source, opened(source, Limits()) as picture:
            pixels = np.asarray(picture, np.float64)
    except (BadCell, OSError):
        return None
    pixels = pixels[np.isfinite(pixels)]
    if not pixels.size:
        return None
    return np.array([pixels.min(), pixels.max(), float((pixels == np.floor(pixels)).all())])


def file_head(cell: str, root: Path) -> bytes | None:
    """The first 32 bytes of a cell's content, or None when there is no such readable file under the root."""
    try:
        with files.open_cell(cell, root, Limits().bytes) as source:
            return source.read(32)
    except (BadCell, OSError):
        return None


def _unidentified(head: bytes) -> str:
    known = picture_format(head)
    if known is not None:
        return f"the {known} file is damaged: its header cannot be read"
    return "not an image, or one of an unknown format (PNG, JPEG, WebP, BMP, GIF, TIFF, AVIF and HEIC are read)"


def _damage(error: Exception) -> str:
    text = str(error)
    if "truncated" in text.lower():
        return "cut off: it ends before the picture does"
    if isinstance(error, NotImplementedError) or "supported" in text:
        return "of a variant that cannot be read"
    return f"damaged and cannot be decoded ({type(error).__name__})"
