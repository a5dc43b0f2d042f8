"""The figure before its background: what stands out from the colour of the picture's border, wherever it stands.

Describes its place, size, colour and shape. The shape columns do not change when the figure moves, so a tree can ask
for "round" or "pointed" without learning it once for every place. Standard descriptors: Otsu's threshold (1979), Hu's
moments (1962), Gray's bit quads (1971). Knows nothing learned. Shape legend: N pictures, H and W their side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST = 12  # grey levels that a pixel must differ from the background, however low Otsu's threshold is
SAMPLE = 16  # rows and columns in which the figure's bounding box is sampled
PROFILE = 8

Columns = dict[str, np.ndarray]
"""Name -> [N]."""


def figure(planes: np.ndarray) -> tuple[Sequence[str], np.ndarray]:
    """[3, N, H, W] uint8 -> names of K columns and [N, K]. Without any figure the area is 0, and so is its shape."""
    background = border_colour(planes)
    contrast = np.maximum(planes, background) - np.minimum(planes, background)
    distance = contrast.max(0)
    threshold, separation = otsu(distance)
    mask = distance > np.maximum(threshold, LEAST)[:, None, None]
    area = mask.sum((1, 2))
    columns = _colours(planes, background[:, :, 0, 0].T, mask, area)
    columns |= {"figure separation": separation} | _outline(mask, area) | _moments(mask, area) | _box(mask, area)
    return list(columns), np.stack([column.astype(np.float64) for column in columns.values()], axis=1)


def border_colour(planes: np.ndarray) -> np.ndarray:
    """[3, N, 1, 1] uint8: the median of the outermost pixels, channel by channel."""
    sides = (planes[:, :, 0], planes[:, :, -1], planes[:, :, 1:-1, 0], planes[:, :, 1:-1, -1])
    ring = np.sort(np.concatenate(sides, axis=2), axis=2)
    return ring[:, :, ring.shape[2] // 2, None, None]


def otsu(distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[N, H, W] uint8 -> the threshold that separates it best [N], and which part of the variance that explains [N].

    Where many thresholds are equally good (flat colours), the middle one.
    """
    pixels = distance[0].size
    rows = np.arange(len(distance), dtype=np.int64)[:, None, None] * 256
    histogram = np.bincount((distance + rows).reshape(-1), minlength=len(distance) * 256).reshape(-1, 256)
    level = np.arange(256)
    below, mass = histogram.cumsum(1), (histogram * level).cumsum(1)
    total = mass[:, -1:].astype(np.float64)
    between = (total * below - mass * float(pixels)) ** 2 / np.maximum(below * (pixels - below), 1)
    first = between.argmax(1)
    last = 255 - between[:, ::-1].argmax(1)
    variance = pixels * (histogram * level**2).sum(1) - total[:, 0] ** 2
    best = between[np.arange(len(between)), first]
    return (first + last) // 2, best / np.maximum(variance, 1)


def _colours(planes: np.ndarray, background: np.ndarray, mask: np.ndarray, area: np.ndarray) -> Columns:
    """Mean colour of the figure, colour of the background [N, 3], and the difference in luminance."""
    columns: Columns = {}
    some = np.maximum(area, 1)
    sums = [np.sum(plane * mask, axis=(1, 2), dtype=np.int64) for plane in planes]
    means = np.stack(sums, axis=1) / some[:, None]
    for what, colour in (("figure", means), ("background", background.astype(np.float64))):
        for name, channel in zip(("red", "green", "blue"), colour.T, strict=True):
            columns[f"{what} {name}"] = channel / 255
        red, green, blue = colour.T
        chroma = colour.max(1) - colour.min(1)
        # Hue as an angle has a cliff at red; as a point on the circle it has none.
        angle = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)
        columns[f"{what} hue x"] = np.where(chroma > 0, np.cos(angle), 0)
        columns[f"{what} hue y"] = np.where(chroma > 0, np.sin(angle), 0)
        columns[f"{what} chroma"] = chroma / 255
        columns[f"{what} luminance"] = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    return columns


def _outline(mask: np.ndarray, area: np.ndarray) -> Columns:
    """What the sixteen patterns of 2 x 2 pixels tell of the outline: its length, corners, directions and holes."""
    count, height, width = mask.shape
    frame = np.zeros((count, height + 2, width + 2), np.uint8)
    frame[:, 1:-1, 1:-1] = mask
    code = frame[:, :-1, :-1] | frame[:, :-1, 1:] << 1 | frame[:, 1:, :-1] << 2 | frame[:, 1:, 1:] << 3
    rows = np.arange(count, dtype=np.int64)[:, None, None] * 16
    quads = np.bincount((code + rows).reshape(-1), minlength=count * 16).reshape(count, 16)
    outer, inner = quads[:, [1, 2, 4, 8]].sum(1), quads[:, [7, 11, 13, 14]].sum(1)
    level, upright, crossing = quads[:, [3, 12]].sum(1), quads[:, [5, 10]].sum(1), quads[:, [6, 9]].sum(1)
    length = level + upright + (outer + inner + 2 * crossing) / np.sqrt(2)
    some = np.maximum(length, 1)
    return {
        "outline compactness": length**2 / np.maximum(area, 1),
        "outline outer corners": outer / some,
        "outline inner corners": inner / some,
        "outline level": level / some,
        "outline upright": upright / some,
        # 1 for one piece without holes; every further piece adds one, every hole takes one.
        "outline pieces": np.arcsinh((outer - inner - 2 * crossing) / 4),
    }


def _moments(mask: np.ndarray, area: np.ndarray) -> Columns:
    """Normalised central moments of order two and three, and Hu's seven, which turning does not change either."""
    height, width = mask.shape[1:]
    y, x = np.vander(np.arange(height), 4, increasing=True), np.vander(np.arange(width), 4, increasing=True)
    # Whole numbers below 2 ** 53: exact in float64, in whatever order a library adds them up.
    raw = y.T.astype(np.float64) @ mask.astype(np.float64) @ x.astype(np.float64)
    some = np.maximum(area, 1)
    m = raw / some[:, None, None]
    cy, cx = m[:, 1, 0], m[:, 0, 1]
    central = {
        "20": m[:, 2, 0] - cy**2,
        "02": m[:, 0, 2] - cx**2,
        "11": m[:, 1, 1] - cy * cx,
        "30": m[:, 3, 0] - 3 * cy * m[:, 2, 0] + 2 * cy**3,
        "03": m[:, 0, 3] - 3 * cx * m[:, 0, 2] + 2 * cx**3,
        "21": m[:, 2, 1] - 2 * cy * m[:, 1, 1] - cx * m[:, 2, 0] + 2 * cy**2 * cx,
        "12": m[:, 1, 2] - 2 * cx * m[:, 1, 1] - cy * m[:, 0, 2] + 2 * cx**2 * cy,
    }
    # Divided by the area once for order two and 1.5 times for order three, the size of the figure drops out.
    n = {key: value / some ** (1.0 if key in ("20", "02", "11") else 1.5) for key, value in central.items()}
    columns = {f"moment {key}": _compressed(value, 10) for key, value in n.items()}
    scales = (10, 1e3, 1e4, 1e4, 1e8, 1e6, 1e8)
    columns |= {f"hu {i + 1}": _compressed(h, s) for i, (h, s) in enumerate(zip(_hu(n), scales, strict=True))}
    return columns


def _hu(n: Columns) -> list[np.ndarray]:
    """Hu's seven invariants of normalised central moments (Visual pattern recognition by moment invariants, 1962)."""
    a, b = n["30"] + n["12"], n["21"] + n["03"]
    c, d = n["30"] - 3 * n["12"], 3 * n["21"] - n["03"]
    e, f = n["20"] - n["02"], n["11"]
    p, q = a * (a**2 - 3 * b**2), b * (3 * a**2 - b**2)
    return [
        n["20"] + n["02"],
        e**2 + 4 * f**2,
        c**2 + d**2,
        a**2 + b**2,
        c * p + d * q,
        e * (a**2 - b**2) + 4 * f * a * b,
        d * p - c * q,
    ]


def _compressed(value: np.ndarray, scale: float) -> np.ndarray:
    """The logarithm of a size, its sign kept, smooth at zero."""
    return np.sign(value) * np.log1p(np.abs(value) * scale)


def _box(mask: np.ndarray, area: np.ndarray) -> Columns:
    """Bounding box: place, size, how full it is, its profiles, and in which mirrors the figure looks the same."""
    count, height, width = mask.shape
    some = area > 0
    top, bottom = _extent(np.any(mask, axis=2))
    left, right = _extent(np.any(mask, axis=1))
    tall, wide = bottom - top, right - left
    # Sampled at the middles of SAMPLE equal steps.
    steps = (2 * np.arange(SAMPLE) + 1)[None]
    rows = top[:, None] + steps * tall[:, None] // (2 * SAMPLE)
    cols = left[:, None] + steps * wide[:, None] // (2 * SAMPLE)
    sample = mask[np.arange(count)[:, None, None], rows[:, :, None], cols[:, None, :]]
    columns = {
        "figure area": area / mask[0].size,
        "figure fill": area / (tall * wide),
        "figure height": some * tall / height,
        "figure width": some * wide / width,
        "figure aspect": some * np.log(tall / wide),
        "figure y": some * (top + bottom) / (2 * height),
        "figure x": some * (left + right) / (2 * width),
    }
    mirrors = {
        "left to right": sample[:, :, ::-1],
        "top to bottom": sample[:, ::-1],
        "half turn": sample[:, ::-1, ::-1],
        "diagonal": sample.transpose(0, 2, 1),
    }
    columns |= {f"symmetry {k}": some * (sample == other).sum((1, 2)) / SAMPLE**2 for k, other in mirrors.items()}
    across, down = sample.sum(2).reshape(count, PROFILE, -1).sum(2), sample.sum(1).reshape(count, PROFILE, -1).sum(2)
    full = SAMPLE * SAMPLE // PROFILE
    columns |= {f"profile row {i}": across[:, i] / full for i in range(PROFILE)}
    columns |= {f"profile column {i}": down[:, i] / full for i in range(PROFILE)}
    return columns


def _extent(filled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[N, L] bool -> first filled place and one past the last; of an empty row 0 and L."""
    length = filled.shape[1]
    return filled.argmax(1), np.where(filled.any(1), length - filled[:, ::-1].argmax(1), length)
