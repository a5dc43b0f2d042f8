"""Pictures to Tokens, normalised per channel with means and deviations learned from training pictures."""

from __future__ import annotations

import math

import numpy as np

from consilience.core.batch import Tokens
from consilience.modalities.base import Values

# For training columns without one usable picture: the middle of the scale, so that the processor still works.
NEUTRAL_MEAN, NEUTRAL_STD = 127.5, 64.0
LEAST_STD = 4.0
"""Grey levels. Training pictures of one single colour must not blow up the first different one."""


def channel_statistics(values: Values, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [3] float32 of each channel, in grey levels (0 to 255).

    Reads one picture at a time. Sums are exact (integers, then `fsum`), so the order of the pictures is irrelevant.
    """
    sums: list[np.ndarray] = []
    counts: list[float] = []
    for index in range(len(values)):
        if (pixels := values[index]) is None or not weights[index] > 0:
            continue
        flat = pixels.reshape(-1, 3).astype(np.int64)
        sums.append(np.concatenate([flat.sum(0), (flat * flat).sum(0)]) * float(weights[index]))
        counts.append(float(weights[index]) * len(flat))
    if not counts:
        return np.full(3, NEUTRAL_MEAN, np.float32), np.full(3, NEUTRAL_STD, np.float32)
    moments = np.array([math.fsum(column) for column in zip(*sums, strict=True)]) / math.fsum(counts)
    mean = moments[:3]
    std = np.sqrt(np.maximum(moments[3:] - mean * mean, 0.0))
    return mean.astype(np.float32), np.maximum(std, LEAST_STD).astype(np.float32)


def collate(values: Values, *, size: int, mean: np.ndarray, std: np.ndarray) -> Tokens:
    """[U] pictures -> values [U, 1, 3, size, size] float32, mask [U, 1]; a missing picture is zeros, masked."""
    count = len(values)
    out = np.zeros((count, 1, 3, size, size), np.float32)
    mask = np.zeros((count, 1), bool)
    scale = (1.0 / std.astype(np.float64)).astype(np.float32)[:, None, None]
    offset = mean[:, None, None]
    for index in range(count):
        if (pixels := values[index]) is None:
            continue
        np.subtract(pixels.transpose(2, 0, 1), offset, out=out[index, 0])
        out[index, 0] *= scale
        mask[index] = True
    return Tokens(values=out, mask=mask)
