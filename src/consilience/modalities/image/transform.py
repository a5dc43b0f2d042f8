"""From a decoded picture of any mode and shape to a square of red, green and blue bytes.

Knows pictures in memory only: no files, no limits, nothing learned from training rows.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from consilience.modalities.image.config import Config
from consilience.modalities.image.load import orientation

# What EXIF orientations 2 to 8 ask for, in Pillow's words.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Modes that Pillow can scale as they are, transparency included; a large picture is scaled before it is converted.
SCALABLE = ("RGB", "L", "CMYK", "YCbCr", "RGBA", "LA")


def square(picture: Image.Image, config: Config) -> np.ndarray:
    """[size, size, 3] uint8: one opened picture, decoded, turned upright, flattened to RGB and fitted.

    Of an animation this is the first frame. May raise whatever a decoder raises (`load.opened` turns it to BadCell).
    """
    turn = TURNS.get(orientation(picture))
    target = scaled_size(picture.width, picture.height, config)
    # A JPEG can be decoded at a half, a quarter or an eighth of its size; twice the target keeps the result smooth.
    picture.draft(None, (2 * target[0], 2 * target[1]))
    picture.load()
    if picture.mode not in SCALABLE or "transparency" in picture.info:
        picture = rgb(picture, config.background)
    if picture.size != target:
        picture = picture.resize(target, Image.Resampling.BILINEAR, reducing_gap=3.0)
    picture = rgb(picture, config.background)
    if turn is not None:
        picture = picture.transpose(turn)
    return _fitted(np.asarray(picture), config.size)


def scaled_size(width: int, height: int, config: Config) -> tuple[int, int]:
    """Width and height to scale to: "pad" fits inside the square, "crop" covers it, "squash" equals it."""
    if config.fit == "squash":
        return config.size, config.size
    side = max(width, height) if config.fit == "pad" else min(width, height)
    scale = config.size / side
    longest = 64 * config.size  # a one-pixel line would otherwise grow without bound before it is cropped
    return _clamp(width * scale, longest), _clamp(height * scale, longest)


def rgb(picture: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Any mode to RGB: 16 and 32 bits to 8, palettes looked up, transparent pixels laid over `background`."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode in ("F", "I") or picture.mode.startswith("I;"):
        picture = Image.fromarray(_eight_bits(np.asarray(picture)))
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa"):
        layer = picture.convert("RGBA")
        under = Image.new("RGBA", layer.size, (*background, 255))
        return Image.alpha_composite(under, layer).convert("RGB")
    return picture.convert("RGB")


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Grey levels of any range to [H, W] uint8. What fits 16 bits is taken as 16 bits, fractions as 0 to 1, and
    anything else is stretched from its own lowest to its own highest value."""
    pixels = np.nan_to_num(pixels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(pixels.min()), float(pixels.max())
    whole = bool((pixels == np.floor(pixels)).all()) and high > 1
    if low >= 0 and high <= 65535 and whole:
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scale = 255.0 / (high - low) if high > low else 0.0
    return np.round((pixels - low) * scale).astype(np.uint8)


def _clamp(length: float, longest: int) -> int:
    return min(max(round(length), 1), longest)


def _fitted(pixels: np.ndarray, size: int) -> np.ndarray:
    """Cut the middle out where the picture is larger than the square; continue its edges where it is smaller."""
    height, width = pixels.shape[:2]
    top, left = max(height - size, 0) // 2, max(width - size, 0) // 2
    pixels = pixels[top : top + size, left : left + size]
    missing_h, missing_w = size - pixels.shape[0], size - pixels.shape[1]
    if missing_h or missing_w:
        above, before = missing_h // 2, missing_w // 2
        pixels = np.pad(pixels, ((above, missing_h - above), (before, missing_w - before), (0, 0)), mode="edge")
    return np.ascontiguousarray(pixels)
