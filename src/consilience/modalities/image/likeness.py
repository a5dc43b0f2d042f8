"""What two copies of one picture share after scaling, another format or another quality: a coarse picture of it.

A perceptual hash in the manner of Zauner 2010, "Implementation and benchmarking of perceptual image hash functions",
but with levels instead of bits: simple drawings differ in few bits and still are different pictures. Learns nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

CELLS = 8
"""Rows and columns of the coarse picture, at most."""
NEAR = 0.02
"""Root mean square by which copies may differ, of levels from 0 to 1. Scaled JPEG copies of easy-VQA pictures differ by
0.004 (at most 0.011), of pure noise by 0.019; the two most alike of 600 different easy-VQA pictures by 0.034."""
LEAST = 0.02
"""Standard deviation of the levels below which a picture is too flat to be told from another."""


def likeness(values: Sequence[Any]) -> np.ndarray:
    """[U] values of [side, side, 3] uint8, or None -> [U, 3 * cells²] float32 levels from 0 to 1; NaN: None or flat.
    Of pictures smaller than `CELLS` pixels, each pixel is a cell."""
    cells = min([CELLS, *(len(value) for value in values if value is not None)])
    out = np.full((len(values), 3 * cells * cells), np.nan, np.float32)
    for place, value in enumerate(values):
        if value is None:
            continue
        coarse = _coarse(value, cells)
        if coarse.std(axis=(0, 1)).max() >= LEAST:
            out[place] = coarse.reshape(-1)
    return out


def _coarse(pixels: np.ndarray, cells: int) -> np.ndarray:
    """[cells, cells, 3]: means over a grid of cells that are as equal as whole pixels allow."""
    levels = pixels.astype(np.float32) / 255
    for axis in (0, 1):
        edges = np.linspace(0, levels.shape[axis], cells + 1).astype(np.int64)[:-1]
        width = np.diff(np.append(edges, levels.shape[axis]))
        shape = [1, 1, 1]
        shape[axis] = cells
        levels = np.add.reduceat(levels, edges, axis=axis) / width.reshape(shape)
    return levels
