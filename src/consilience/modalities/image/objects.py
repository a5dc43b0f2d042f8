"""Images that Python holds as objects (Pillow's, arrays of pixels) as the bytes of a file, without loss."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Pillow's modes that a PNG keeps as they are."""


def file_of(value: Any) -> bytes | None:
    """The bytes of a file with this image; None for a value that is no image. An array of pixels is [height, width],
    with channels (1, 3 or 4) or without, of uint8; deep grey may be uint16."""
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        return _saved(value)
    if isinstance(value, np.ndarray) and _is_pixels(value):
        from PIL import Image

        return _saved(Image.fromarray(value[..., 0] if value.ndim == 3 and value.shape[2] == 1 else value))
    return None


def _is_pixels(array: np.ndarray) -> bool:
    if array.ndim == 2:
        return array.dtype in (np.uint8, np.uint16, np.bool_) and array.size > 0
    return array.ndim == 3 and array.dtype == np.uint8 and array.shape[2] in (1, 3, 4) and array.size > 0


def _saved(picture: Any) -> bytes:
    """PNG, or TIFF for what PNG cannot hold (CMYK, fractions)."""
    buffer = io.BytesIO()
    options: dict[str, Any] = {"exif": exif} if (exif := picture.getexif()) else {}
    if picture.mode in _PNG:
        picture.save(buffer, "PNG", compress_level=1, **options)
    else:
        picture.save(buffer, "TIFF", **options)
    return buffer.getvalue()
