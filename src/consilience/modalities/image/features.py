"""Hand-made features of pictures: where which colour is, which colours there are, edges, and the figure.

Standard descriptors of the field, computed for many pictures at once. Counts and sums are whole numbers wherever
possible, so that no picture's features depend on which others are in the call. Knows nothing learned.
Shape legend: N pictures of a chunk, H and W their side, K columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from consilience.modalities.base import Features, Values
from consilience.modalities.image.figure import figure

CHUNK = 32  # pictures at a time: they stay in the processor's cache
MOST = 96  # larger pictures are averaged down to at most this side: features describe, they do not read fine print
GRID = 4  # colour cells along a side
BINS = 12  # directions of the edge histogram; the cells have half as many
SHADES = 3  # steps of red, green and blue in the colour histogram
HUES = 12

Group = tuple[Sequence[str], np.ndarray]
"""Names of K columns and their values [N, K]."""


def features(values: Values) -> Features:
    """[U] pictures -> dense [U, F] float32. Rows of missing pictures are zero."""
    names = column_names()
    matrix = np.zeros((len(values), len(names)), np.float32)
    present = np.zeros(len(values), bool)
    for start in range(0, len(values), CHUNK):
        pictures = {i: v for i in range(start, min(start + CHUNK, len(values))) if (v := values[i]) is not None}
        if pictures:
            rows = list(pictures)
            groups = describe(np.stack(list(pictures.values())))
            matrix[rows] = np.concatenate([columns for _, columns in groups], axis=1)
            present[rows] = True
    return Features(matrix=matrix, present=present, names=names)


@lru_cache(maxsize=1)
def column_names() -> tuple[str, ...]:
    return tuple(name for names, _ in describe(np.zeros((1, 16, 16, 3), np.uint8)) for name in names)


def describe(pictures: np.ndarray) -> list[Group]:
    """[N, H, W, 3] uint8 -> every group of columns."""
    planes = np.ascontiguousarray(shrunk(pictures).transpose(3, 0, 1, 2))
    return [layout(planes), palette(planes), hues(planes), *edges(planes), figure(planes)]


def shrunk(pictures: np.ndarray) -> np.ndarray:
    """Average blocks of pixels so that no side is longer than MOST; what does not fill a block is cut at the rim."""
    size = pictures.shape[1]
    block = -(-size // MOST)
    if block == 1:
        return pictures
    keep = size // block
    rim = (size - keep * block) // 2
    cut = pictures[:, rim : rim + keep * block, rim : rim + keep * block]
    sums = cut.reshape(len(cut), keep, block, keep, block, 3).sum((2, 4), dtype=np.uint32)
    return (sums // block**2).astype(np.uint8)


def layout(planes: np.ndarray) -> Group:
    """Mean colour of each cell of a grid, 0 to 1."""
    means = cell_sums(planes.astype(np.int32), GRID) / cell_sums(np.ones((1, 1, *planes.shape[2:]), np.int32), GRID)
    columns = means.transpose(1, 2, 3, 0).reshape(planes.shape[1], -1) / 255
    return [f"{c} at {y},{x}" for y in range(GRID) for x in range(GRID) for c in ("red", "green", "blue")], columns


def palette(planes: np.ndarray) -> Group:
    """How much of the picture has each of 27 colours (three steps of red, green and blue)."""
    red, green, blue = _shade()[planes]
    share = counts((red * SHADES + green) * SHADES + blue, SHADES**3) / planes[0, 0].size
    steps = range(SHADES)
    return [f"colour {r}{g}{b}" for r in steps for g in steps for b in steps], share


@lru_cache(maxsize=1)
def _shade() -> np.ndarray:
    """[256] uint8: the step of every channel value."""
    return (np.arange(256) * SHADES // 256).astype(np.uint8)


def hues(planes: np.ndarray) -> Group:
    """How the picture's colourfulness spreads over the hues, and how much there is of it."""
    red, green, blue = planes.astype(np.float32)
    strongest = planes.max(0)
    chroma = strongest - planes.min(0)
    scale = np.maximum(chroma, 1).astype(np.float32)
    # The hexagon's six sixths, from red over green and blue back to red.
    hue = np.where(
        planes[0] == strongest,
        (green - blue) / scale,
        np.where(planes[1] == strongest, 2 + (blue - red) / scale, 4 + (red - green) / scale),
    )
    # Red itself lies in the middle of its bin, not on a border; six sixths make HUES bins.
    bins = np.floor(hue * (HUES / 6) + 0.5).astype(np.int16) % HUES
    mass = counts(bins, HUES, chroma)
    total = mass.sum(1, keepdims=True)
    share = mass / np.maximum(total, 1)
    names = [f"hue {round(360 * i / HUES)}" for i in range(HUES)]
    return [*names, "colourfulness"], np.hstack([share, total / planes[0, 0].size / 255])


def edges(planes: np.ndarray) -> list[Group]:
    """Histograms of edge directions: over the whole picture, and per cell of a 4 x 4 grid (HOG, Dalal and Triggs
    2005), each cell weighed against the cells around it. The gradient is that of the channel that changes most."""
    _, count, height, width = planes.shape
    wide = planes.astype(np.int16)
    across, down = np.zeros((2, count, height, width), np.int16)
    best = np.full((count, height, width), -1, np.int32)
    for plane in wide:
        x, y = np.zeros_like(plane), np.zeros_like(plane)
        np.subtract(plane[:, :, 2:], plane[:, :, :-2], out=x[:, :, 1:-1])
        np.subtract(plane[:, 2:], plane[:, :-2], out=y[:, 1:-1])
        power = x.astype(np.int32) ** 2 + y.astype(np.int32) ** 2
        stronger = power > best
        np.copyto(across, x, where=stronger)
        np.copyto(down, y, where=stronger)
        np.copyto(best, power, where=stronger)
    # A table over all whole-number gradients gives the direction without computing one arc tangent a pixel.
    direction = directions()[down + 255, across + 255]
    cell = _cell_index(height, width)
    # Whole magnitudes (rounded square roots) keep the sums exact.
    strength = np.rint(np.sqrt(best.astype(np.float32))).astype(np.int32)
    by_cell = counts(cell * BINS + direction, 16 * BINS, strength).reshape(count, 4, 4, BINS)
    whole = by_cell.sum((1, 2))
    total = whole.sum(1, keepdims=True)
    overall = np.hstack([whole / np.maximum(total, 1), np.log1p(total / planes[0, 0].size)])
    names = [*(f"edges {180 * i / BINS:g}" for i in range(BINS)), "edge strength"]
    return [(names, overall), _hog(by_cell)]


def _hog(by_cell: np.ndarray) -> Group:
    """[N, 4, 4, BINS] -> half the directions per cell, over the root of the mean energy of the 3 x 3 cells around."""
    even = by_cell[..., 0::2] + 0.5 * (by_cell[..., 1::2] + np.roll(by_cell[..., 1::2], 1, axis=-1))
    energy = np.pad((even * even).sum(-1), ((0, 0), (1, 1), (1, 1)))
    around = sum(energy[:, y : y + 4, x : x + 4] for y in range(3) for x in range(3))
    normal = even / np.sqrt(around + 1e3)[..., None]
    step = 360 // BINS
    names = [f"hog {y},{x} {step * i}" for y in range(4) for x in range(4) for i in range(BINS // 2)]
    return names, normal.reshape(len(normal), -1)


@lru_cache(maxsize=1)
def directions() -> np.ndarray:
    """[511, 511] int16: direction bin of every gradient (down, across); 0 and 90 degrees are in the middle of a bin."""
    down, across = np.mgrid[-255:256, -255:256]
    return (np.rint(np.arctan2(down, across) * (BINS / np.pi)).astype(np.int16)) % BINS


@lru_cache(maxsize=8)
def _cell_index(height: int, width: int) -> np.ndarray:
    """[H, W] int32: which cell of the 4 x 4 grid a pixel is in."""
    return (np.arange(height)[:, None] * 4 // height * 4 + np.arange(width)[None] * 4 // width).astype(np.int32)


def counts(codes: np.ndarray, size: int, weights: np.ndarray | None = None) -> np.ndarray:
    """[N, H, W] codes below `size` -> [N, size] how often each occurs in each picture (or the sum of its weights)."""
    rows = np.arange(len(codes), dtype=np.int64)[:, None, None] * size
    flat = None if weights is None else weights.reshape(-1)
    return np.bincount((codes + rows).reshape(-1), flat, len(codes) * size).reshape(len(codes), size)


def cell_sums(planes: np.ndarray, grid: int) -> np.ndarray:
    """[..., H, W] whole numbers -> [..., grid, grid] sums over cells as equal as can be."""
    height, width = planes.shape[-2:]
    rows = np.add.reduceat(planes, np.arange(grid) * height // grid, axis=-2)
    return np.add.reduceat(rows, np.arange(grid) * width // grid, axis=-1)
