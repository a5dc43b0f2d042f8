"""Frames to Tokens, normalised per channel with means and deviations learned from training films."""

from __future__ import annotations

import math

import numpy as np

from consilience.core.batch import Tokens
from consilience.modalities.base import Values
from consilience.modalities.packed import Layout

NEUTRAL_MEAN, NEUTRAL_STD = 127.5, 64.0
"""For training columns without one usable film: the middle of the scale."""
LEAST_STD = 4.0
"""Grey levels. Training films of one single colour must not blow up the first different one."""


def channel_statistics(values: Values, weights: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation [3] float32 of each channel, in grey levels. Reads one film at a time; the sums are exact, so
    the order of the films is irrelevant."""
    sums: list[np.ndarray] = []
    counts: list[float] = []
    for index in range(len(values)):
        if (value := values[index]) is None or not weights[index] > 0:
            continue
        flat = layout.unpack(value)["frames"].reshape(-1, 3).astype(np.int64)
        sums.append(np.concatenate([flat.sum(0), (flat * flat).sum(0)]) * float(weights[index]))
        counts.append(float(weights[index]) * len(flat))
    if not counts:
        return np.full(3, NEUTRAL_MEAN, np.float32), np.full(3, NEUTRAL_STD, np.float32)
    moments = np.array([math.fsum(column) for column in zip(*sums, strict=True)]) / math.fsum(counts)
    mean = moments[:3]
    std = np.sqrt(np.maximum(moments[3:] - mean * mean, 0.0))
    return mean.astype(np.float32), np.maximum(std, LEAST_STD).astype(np.float32)


def collate(values: Values, layout: Layout, *, size: int, mean: np.ndarray, std: np.ndarray) -> Tokens:
    """[U] films -> values [U, K, 3, size, size] float32, mask [U, K]; K is the most frames any of them has."""
    films = [None if value is None else layout.unpack(value)["frames"] for value in values]
    most = max((len(film) for film in films if film is not None), default=1)
    out = np.zeros((len(films), most, 3, size, size), np.float32)
    mask = np.zeros((len(films), most), bool)
    for index, film in enumerate(films):
        if film is not None:
            np.subtract(film.transpose(0, 3, 1, 2), mean[:, None, None], out=out[index, : len(film)])
            out[index, : len(film)] /= std[:, None, None]
            mask[index, : len(film)] = True
    return Tokens(values=out, mask=mask)
