"""Images that Python holds as objects (Pillow's, arrays of pixels) as the bytes of a file, without loss."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

from consilience.core.files import Stored

_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Pillow's modes that a PNG keeps as they are."""
_TIFF = ("CMYK", "F", "I", "I;16B", "I;16L", "LAB", "PA")
"""Those that a TIFF does, which can be read again."""
_ALPHA = {"La": "LA", "RGBa": "RGBA"}
"""Where colours are held multiplied by their opacity: the mode in which they are not. Any other mode is RGB written
otherwise."""


def file_of(value: Any) -> bytes | Stored | None:
    """The bytes of a file with this image, or a cell that says why there are none (a closed file, damaged pixels); None
    for a value that is no image. An array of pixels is [height, width], with channels (1, 3 or 4) or without, of uint8;
    deep grey may be uint16."""
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        try:
            return _saved(value)
        except Exception as error:  # Pillow decodes only now, and damaged bytes raise anything
            return Stored("an image", problem=f"the image cannot be used: {type(error).__name__}: {error}")
    if isinstance(value, np.ndarray) and _is_pixels(value):
        from PIL import Image

        plain = value[..., 0] if value.ndim == 3 and value.shape[2] == 1 else value
        return _saved(Image.fromarray(plain.astype(plain.dtype.newbyteorder("="), copy=False)))
    return None


def _is_pixels(array: np.ndarray) -> bool:
    if not array.size or array.ndim not in (2, 3):
        return False
    kind, channels = array.dtype.newbyteorder("="), 1 if array.ndim == 2 else array.shape[2]
    return channels in ((1, 3, 4) if kind == np.uint8 else (1,)) and kind in (np.uint8, np.uint16, np.bool_)


def _saved(picture: Any) -> bytes:
    """PNG, or TIFF for what PNG cannot hold (CMYK, fractions)."""
    buffer = io.BytesIO()
    options: dict[str, Any] = {"exif": exif} if (exif := picture.getexif()) else {}
    if picture.mode not in _PNG + _TIFF:
        picture = picture.convert(_ALPHA.get(picture.mode, "RGB"))
    if picture.mode in _PNG:
        picture.save(buffer, "PNG", compress_level=1, **options)
    else:
        picture.save(buffer, "TIFF", **options)
    return buffer.getvalue()
