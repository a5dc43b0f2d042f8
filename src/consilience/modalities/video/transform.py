"""From a decoded frame of any size, pixel format and rotation to a square of red, green and blue bytes, and to a small
grey picture of it. Knows one frame at a time: no files, no time, nothing learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from consilience.modalities.video.config import Config

GLANCE = 32
"""Side of the small grey picture, in pixels."""


def square(frame: Any, config: Config) -> np.ndarray:
    """[size, size, 3] uint8, upright, its pixels made square first."""
    turned, mirrored = upright(frame)
    width, height = shown_size(frame)
    if turned % 2:
        width, height = height, width
    wide, high = scaled_size(width, height, config)
    if turned % 2:
        wide, high = high, wide
    pixels = frame.reformat(width=wide, height=high, format="rgb24", interpolation="AREA").to_ndarray()
    return _fitted(_turned(pixels, turned, mirrored), config.size)


def glance(frame: Any) -> np.ndarray:
    """[GLANCE, GLANCE] uint8: grey, upright, squashed."""
    pixels = frame.reformat(width=GLANCE, height=GLANCE, format="gray", interpolation="AREA").to_ndarray()
    return _turned(pixels, *upright(frame))


def upright(frame: Any) -> tuple[int, bool]:
    """How often the frame must be turned a quarter to the left to stand upright (phones film sideways), 0 to 3, and
    whether it is mirrored left to right before that (front cameras). A display matrix that is empty or no right angle
    turns to the nearest one, or not at all."""
    matrix = next((bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return 0, False
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).astype(np.float64)
    area = a * d - b * c  # (a, b): where a step to the right leads; (c, d): where a step down leads
    if not area:
        return 0, False
    sign = 1.0 if area > 0 else -1.0
    angle = np.degrees(np.arctan2(sign * b, sign * a))  # clockwise
    return round(-angle / 90) % 4, area < 0


def _turned(pixels: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, turns)


def shown_size(frame: Any) -> tuple[float, float]:
    """Width and height with square pixels, before it is turned."""
    ratio = getattr(frame, "sample_aspect_ratio", None) or 1
    return frame.width * float(ratio), float(frame.height)


def scaled_size(width: float, height: float, config: Config) -> tuple[int, int]:
    """Width and height to scale to: "pad" fits inside the square, "crop" covers it, "squash" equals it."""
    if config.fit == "squash":
        return config.size, config.size
    side = max(width, height) if config.fit == "pad" else min(width, height)
    longest = 16 * config.size  # a very long strip would otherwise grow without bound before it is cropped
    scale = config.size / side
    return min(max(round(width * scale), 1), longest), min(max(round(height * scale), 1), longest)


def _fitted(pixels: np.ndarray, size: int) -> np.ndarray:
    """Cut the middle out where the frame is larger than the square; continue its edges where it is smaller."""
    top, left = max(pixels.shape[0] - size, 0) // 2, max(pixels.shape[1] - size, 0) // 2
    pixels = pixels[top : top + size, left : left + size]
    down, across = size - pixels.shape[0], size - pixels.shape[1]
    if down or across:
        around = ((down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0))
        pixels = np.pad(pixels, around, mode="edge")
    return np.ascontiguousarray(pixels)
