"""Hand-made features of a whole film: what its frames look like, how they differ, and what moves between them.

Computed while it is loaded. Sources: edge directions per cell after Dalal and Triggs (HOG, 2005); motion energy and
motion history after Bobick and Davis (2001); motion of blocks by exhaustive search of the least absolute difference.
Knows nothing learned. Shape legend: K frames, S side of a frame, G side of a glance.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from consilience.modalities.video.transform import GLANCE

GRID, SHADES, BINS, QUARTERS = 4, 3, 9, 2
"""Cells a side of the colour layout; steps of red, green and blue; edge directions, in each of QUARTERS x QUARTERS."""
BLOCK, REACH = 8, 3
"""Side of the blocks whose motion is searched, in pixels of a glance, and how far."""
DIRECTIONS = 8
MOVES = 12
"""Grey levels a pixel must change by to have moved."""
CUT = 0.35
"""Part of the grey levels that must change at once for a new shot."""
HISTORY = 1.0
"""Seconds after which a movement is forgotten."""
SPEED = 40
"""Most glances compared: with more, every second is left out."""

CHANGE = ("amount", "spread", "x", "y", "right", "down", "speed", *(f"towards {360 * d // 8}" for d in range(8)))


def of_frames(frames: np.ndarray) -> np.ndarray:
    """[K, S, S, 3] uint8 -> colours, edges and how they change over the film."""
    pictures = frames.astype(np.float32) / 255
    grey = pictures @ np.array([0.299, 0.587, 0.114], np.float32)
    chroma = pictures.max(3) - pictures.min(3)
    layout = _cells(pictures, GRID)
    tones = np.stack([grey.mean((1, 2)), grey.std((1, 2)), chroma.mean((1, 2))], axis=1)
    edges = np.stack([_edges(picture) for picture in grey])
    light = _cells(grey[..., None], GRID)[..., 0]
    third = max(1, len(frames) // 3)
    course = light[-third:].mean(0) - light[:third].mean(0)
    parts = [layout.mean(0), light.std(0), _palette(frames), edges.mean(0), tones.mean(0), tones.std(0), course]
    return np.concatenate([part.reshape(-1) for part in parts])


def _cells(pictures: np.ndarray, grid: int) -> np.ndarray:
    """[K, S, S, C] -> means over cells [K, grid, grid, C]."""
    side = pictures.shape[1]
    edges = np.arange(grid) * side // grid
    counts = np.diff([*edges, side])
    sums = np.add.reduceat(np.add.reduceat(pictures, edges, axis=1), edges, axis=2)
    return sums / (counts[:, None] * counts[None])[None, :, :, None]


def _palette(frames: np.ndarray) -> np.ndarray:
    """Share of each of SHADES ** 3 colours in all frames."""
    red, green, blue = np.moveaxis(frames.astype(np.int32) * SHADES // 256, -1, 0)
    code = (red * SHADES + green) * SHADES + blue
    return np.bincount(code.reshape(-1), minlength=SHADES**3) / code.size


def _edges(grey: np.ndarray) -> np.ndarray:
    """[S, S] -> strength of the edges of each direction in each quarter, over all of it, and that sum."""
    down, across = np.gradient(grey)
    strength = np.hypot(across, down)
    direction = np.floor(np.arctan2(down, across) % np.pi / np.pi * BINS).astype(np.int64) % BINS
    side = len(grey)
    place = np.arange(side) * QUARTERS // side
    code = (place[:, None] * QUARTERS + place[None]) * BINS + direction
    sums = np.bincount(code.reshape(-1), strength.reshape(-1), QUARTERS**2 * BINS)
    total = sums.sum()
    return np.append(sums / max(total, 1e-6), total / grey.size)


class Motion:
    """Compares glances as they come; what it remembers does not grow with the length of the film."""

    def __init__(self) -> None:
        self._last: tuple[float, np.ndarray] | None = None
        self._rows: list[np.ndarray] = []
        self._step = self._pairs = 0
        self._history = np.zeros((GLANCE, GLANCE))
        self._energy = np.zeros((GLANCE, GLANCE))
        self.cuts = 0
        self.seconds = 0.0
        """Over which changes were watched."""
        self._skip = 1

    def see(self, time: float, glance: np.ndarray) -> None:
        last, self._last = self._last, (time, glance)
        if last is None or time <= last[0]:
            return
        self._pairs += 1
        gap = time - last[0]
        self.seconds += gap
        difference = np.abs(glance.astype(np.int16) - last[1])
        if _levels_changed(last[1], glance) > CUT:
            self.cuts += 1  # what differs across a cut has not moved
            return
        moved = difference > MOVES
        self._history = np.where(moved, 1.0, np.maximum(self._history - gap / HISTORY, 0.0))
        self._energy += moved
        if self._pairs % self._skip:
            return
        self._rows.append(_change(last[1], glance, difference, moved, gap))
        if len(self._rows) > 2 * SPEED:
            self._rows, self._skip = self._rows[::2], 2 * self._skip

    def forget(self) -> None:
        """The next glance does not follow the last one."""
        self._last = None

    def describe(self) -> np.ndarray:
        rows = np.stack(self._rows) if self._rows else np.zeros((1, len(CHANGE)))
        amount = np.percentile(rows[:, 0], (50, 90, 100))
        energy = _cells((self._energy / max(self._pairs, 1))[None, ..., None], GRID)
        history = _cells(self._history[None, ..., None], GRID)
        rate = self.cuts / self.seconds if self.seconds else np.nan
        parts = [rows.mean(0), rows.std(0), amount, energy.reshape(-1), history.reshape(-1), [rate]]
        return np.concatenate(parts)


def _levels_changed(one: np.ndarray, other: np.ndarray) -> float:
    """Part of the pixels that have another of 16 grey levels than any pixel had before: 0 to 1."""
    counts = [np.bincount(picture.reshape(-1) >> 4, minlength=16) for picture in (one, other)]
    return float(np.abs(counts[0] - counts[1]).sum()) / (2 * one.size)


def _change(before: np.ndarray, after: np.ndarray, difference: np.ndarray, moved: np.ndarray, gap: float) -> np.ndarray:
    """One row of CHANGE: how much changed, how far spread and where, and where the blocks went (parts of the side)."""
    weight = difference * moved
    total = weight.sum()
    place = (np.arange(GLANCE) + 0.5) / GLANCE
    if total:
        x, y = (weight.sum(0) @ place) / total, (weight.sum(1) @ place) / total
        spread = np.sqrt((weight.sum(0) @ (place - x) ** 2 + weight.sum(1) @ (place - y) ** 2) / total)
    else:
        x, y, spread = 0.5, 0.5, 0.0
    across, down = _block_motion(before, after, moved)
    speed = np.hypot(across, down) / gap
    towards = np.rint(np.arctan2(down, across) / (2 * np.pi) * DIRECTIONS).astype(np.int64) % DIRECTIONS
    turns = np.bincount(towards[speed > 0], minlength=DIRECTIONS) / len(speed)
    mean = (across.mean() / gap, down.mean() / gap, speed.mean())
    return np.array([difference.mean() / 255, spread, x, y, *mean, *turns])


def _block_motion(before: np.ndarray, after: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each block of `before` went, across and down [blocks], in parts of the side; 0 where nothing moved.

    Of shifts that fit equally well the shortest wins, so that an even surface stands still.
    """
    count = GLANCE // BLOCK
    padded = np.pad(after.astype(np.int16), REACH, mode="edge")
    best = np.full((count, count), np.inf)
    across, down = np.zeros((count, count)), np.zeros((count, count))
    for y, x in _shifts():
        shifted = padded[REACH + y :, REACH + x :][:GLANCE, :GLANCE]
        error = np.abs(shifted - before).reshape(count, BLOCK, count, BLOCK).sum((1, 3))
        better = error < best
        best[better], across[better], down[better] = error[better], x, y
    active = moved.reshape(count, BLOCK, count, BLOCK).any((1, 3))
    return (across * active / GLANCE).reshape(-1), (down * active / GLANCE).reshape(-1)


@lru_cache(maxsize=1)
def _shifts() -> tuple[tuple[int, int], ...]:
    """All shifts within reach, the shortest first."""
    reach = range(-REACH, REACH + 1)
    return tuple(sorted(((y, x) for y in reach for x in reach), key=lambda s: (s[0] ** 2 + s[1] ** 2, s)))


HEADER = ("duration (log2 s)", "frames a second", "pixels (log2)", "aspect (log2)")


def of_header(seconds: float, rate: float, width: float, height: float) -> np.ndarray:
    """What the file is like, NaN where that is not known."""
    return np.array([np.log2(max(seconds, 1e-3)), rate, np.log2(width * height), np.log2(width / height)])


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """F names: of `of_frames`, `Motion.describe` and `of_header`, one after the other."""
    cells = [f"{y},{x}" for y in range(GRID) for x in range(GRID)]
    steps = range(SHADES)
    out = [f"{colour} at {cell}" for cell in cells for colour in ("red", "green", "blue")]
    out += [f"light changes at {cell}" for cell in cells]
    out += [f"colour {r}{g}{b}" for r in steps for g in steps for b in steps]
    quarters = [f"{y},{x}" for y in range(QUARTERS) for x in range(QUARTERS)]
    out += [f"edges {180 * i // BINS} at {quarter}" for quarter in quarters for i in range(BINS)]
    tones = ("brightness", "contrast", "colourfulness")
    out += ["edge strength", *tones, *(f"{tone} changes" for tone in tones)]
    out += [f"light from start to end at {cell}" for cell in cells]
    out += [f"motion {name}" for name in CHANGE] + [f"motion {name} deviation" for name in CHANGE]
    out += [f"motion amount {p} %" for p in (50, 90, 100)]
    out += [f"motion energy at {cell}" for cell in cells] + [f"motion history at {cell}" for cell in cells]
    return (*out, "cuts a second", *HEADER)
