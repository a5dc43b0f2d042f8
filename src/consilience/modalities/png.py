"""Pixels -> a PNG file in memory, for previews of cells. Writes only; knows nothing of what the pixels show.

Format: Portable Network Graphics (W3C recommendation, third edition): 8 bits a channel, no filter, one stream of data.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

_GREY, _COLOUR = 0, 2


def png(pixels: np.ndarray) -> bytes:
    """[H, W] or [H, W, 3] uint8 -> the bytes of the file."""
    height, width = pixels.shape[:2]
    kind = _GREY if pixels.ndim == 2 else _COLOUR
    lines = np.ascontiguousarray(pixels, np.uint8).reshape(height, -1)
    data = np.concatenate([np.zeros((height, 1), np.uint8), lines], axis=1).tobytes()  # 0: a line without a filter
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
