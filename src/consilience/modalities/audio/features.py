"""Hand-made features of a whole sound, from what each of its frames is like. Computed while it is loaded.

Sounds of any length are described in bounded memory: beyond MOST frames every second one is forgotten, then every
second one of those left, so what stays is always evenly spread. Knows nothing learned.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from consilience.modalities.audio import transform
from consilience.modalities.audio.clean import sounding
from consilience.modalities.audio.config import Config
from consilience.modalities.audio.transform import CEPSTRA, SCALARS

MOST = 65_536
"""Frames remembered: eleven minutes, then thinned."""
SEGMENTS = 5
"""Equal parts of a sound whose mean cepstra are features: the layout of a sound in time."""
LAYOUT = 13
"""Cepstra of which the layout is made."""
PERCENTILES = (10, 50, 90)
QUIET = 30.0
"""dB below the loudest frame that count as a pause."""

ENERGY = 2 * CEPSTRA
PITCH = ENERGY + len(SCALARS)
WIDTH = PITCH + 1


def rows(power: np.ndarray, mel: np.ndarray, frames: np.ndarray, config: Config) -> np.ndarray:
    """[T, WIDTH] float32 of one block of frames: cepstra, their slopes, the scalars, pitch."""
    cepstra = transform.mfcc(mel, config)
    columns = [cepstra, transform.delta(cepstra), transform.scalars(frames, power, config)]
    return np.column_stack([*columns, transform.pitch(frames, config)]).astype(np.float32)


class Memory:
    """Rows of frames, evenly thinned once there are more than MOST."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._step, self._seen, self._kept = most, 1, 0, 0
        self._blocks: list[np.ndarray] = []

    def add(self, block: np.ndarray) -> None:
        chosen = block[-self._seen % self._step :: self._step]
        self._seen += len(block)
        self._kept += len(chosen)
        self._blocks.append(chosen)
        while self._kept > self._most:
            whole = np.concatenate(self._blocks)[::2]
            self._blocks, self._kept, self._step = [whole], len(whole), 2 * self._step

    def all(self) -> np.ndarray:
        return np.concatenate(self._blocks)


def describe(frames: np.ndarray, seconds: float, peak: float, config: Config) -> np.ndarray:
    """Remembered frames [T, WIDTH] of one sound -> its features [F] float32, NaN where there is no pitch."""
    if config.trim:
        frames = frames[sounding(frames[:, ENERGY])]
    cepstra, slopes, energy = frames[:, :CEPSTRA], frames[:, CEPSTRA:ENERGY], frames[:, ENERGY]
    plain = frames[:, ENERGY:PITCH]
    columns = [cepstra.mean(0), cepstra.std(0), *np.percentile(cepstra, (10, 90), axis=0), slopes.std(0)]
    columns += [plain.mean(0), plain.std(0), *np.percentile(plain, PERCENTILES, axis=0)]
    columns.append(_pitch(frames[:, PITCH]))
    pauses = np.mean(energy < energy.max() - QUIET)
    columns.append(np.array([np.log2(max(seconds, 1e-3)), peak, pauses, np.argmax(energy) / len(energy)]))
    columns.append(_layout(np.column_stack([cepstra[:, :LAYOUT], energy])))
    return np.concatenate(columns).astype(np.float32)


def _pitch(pitch: np.ndarray) -> np.ndarray:
    """Share of frames with a pitch; median, deviation and range of it; all but the first NaN without any."""
    voiced = pitch[~np.isnan(pitch)]
    if not len(voiced):
        return np.array([0.0, *[np.nan] * 4])
    low, median, high = np.percentile(voiced, PERCENTILES)
    return np.array([len(voiced) / len(pitch), median, voiced.std(), low, high])


def _layout(columns: np.ndarray) -> np.ndarray:
    """[T, C] -> mean of each of SEGMENTS equal parts, [SEGMENTS * C]; of very few frames some parts are alike."""
    edges = np.arange(SEGMENTS + 1) * len(columns) / SEGMENTS
    parts = [columns[int(a) : max(int(np.ceil(b)), int(a) + 1)] for a, b in pairwise(edges)]
    return np.concatenate([part.mean(0) for part in parts])


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """F names, in the order of `describe`."""
    cepstra = range(CEPSTRA)
    out = [f"mfcc {i} {what}" for what in ("mean", "deviation", "10 %", "90 %") for i in cepstra]
    out += [f"mfcc {i} slope" for i in cepstra]
    out += [f"{name} {what}" for what in ("mean", "deviation", *(f"{p} %" for p in PERCENTILES)) for name in SCALARS]
    out += ["voiced share", "pitch median", "pitch deviation", "pitch 10 %", "pitch 90 %"]
    out += ["duration (log2 s)", "peak", "pauses", "loudest at"]
    layout = [*(f"mfcc {i}" for i in range(LAYOUT)), "energy"]
    return (*out, *(f"part {s + 1} {name}" for s in range(SEGMENTS) for name in layout))
