"""From a decoded picture of any mode and shape to a square of red, green and blue bytes.

Knows pictures in memory only: no files, no limits, nothing learned from training rows.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from consilience.modalities.image.config import Config
from consilience.modalities.image.load import is_deep, is_inverted, orientation

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
    target = scaled_size(picture.width, picture.height, config)
    # A JPEG can be decoded at a half, a quarter or an eighth of its size; twice the target keeps the result smooth.
    drafted = picture.draft(None, (2 * target[0], 2 * target[1]))
    inverted = is_inverted(picture)
    picture.load()
    if drafted is None:  # Pillow's reader of TIFF turns while it loads, and swaps the sides before that or only then
        target = scaled_size(picture.width, picture.height, config)
    turn = TURNS.get(orientation(picture))  # asked for after loading: a TIFF is then turned and has no tag any more
    if picture.mode not in SCALABLE or "transparency" in picture.info:
        picture = rgb(picture, config.background, config.grey_range)
        picture = ImageOps.invert(picture) if inverted else picture
    if picture.size != target:
        picture = picture.resize(target, Image.Resampling.BILINEAR, reducing_gap=3.0)
    picture = rgb(picture, config.background, config.grey_range)
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


def rgb(
    picture: Image.Image, background: tuple[int, int, int], grey_range: tuple[float, float] = (0.0, 0.0)
) -> Image.Image:
    """Any mode to RGB: deep grey levels to 8 bits, palettes looked up, transparent pixels laid over `background`."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if is_deep(picture):
        picture = Image.fromarray(_eight_bits(np.asarray(picture), grey_range))
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa"):
        layer = picture.convert("RGBA")
        under = Image.new("RGBA", layer.size, (*background, 255))
        return Image.alpha_composite(under, layer).convert("RGB")
    return picture.convert("RGB")


def grey_range(low: float, high: float, whole: bool) -> tuple[float, float]:
    """The levels that become black and white, of images whose levels go from `low` to `high`. Whole levels are taken
    as the fewest of 8, 10, 12, 14 or 16 bits that hold them, fractions as 0 to 1; anything else (CT, which goes below
    0) is stretched."""
    if low >= 0 and high <= 1 and not whole:
        return 0.0, 1.0
    if low >= 0 and high <= 65535 and whole:
        return 0.0, float(next(2**bits - 1 for bits in (8, 10, 12, 14, 16) if high < 2**bits))
    return low, high


def _eight_bits(pixels: np.ndarray, levels: tuple[float, float]) -> np.ndarray:
    """Grey levels to [H, W] uint8. Without `levels` they are the image's own."""
    pixels = np.nan_to_num(pixels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = levels
    if not low < high:
        low, high = grey_range(float(pixels.min()), float(pixels.max()), bool((pixels == np.floor(pixels)).all()))
    scale = 255.0 / (high - low) if high > low else 0.0
    return np.round(np.clip((pixels - low) * scale, 0.0, 255.0)).astype(np.uint8)


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
