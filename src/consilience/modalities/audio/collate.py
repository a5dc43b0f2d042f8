"""Mel spectrograms to Tokens, normalised per band with means and deviations learned from training sounds."""

from __future__ import annotations

import math

import numpy as np

from consilience.core.batch import Tokens
from consilience.modalities.base import Values
from consilience.modalities.packed import Layout

NEUTRAL_MEAN, NEUTRAL_STD = -8.0, 4.0
"""For training columns without one usable sound (natural logarithms of power)."""
LEAST_STD = 0.5
"""Training sounds that are all alike must not blow up the first different one."""


def band_statistics(values: Values, weights: np.ndarray, layout: Layout, bands: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation [M] float32 of each band over the frames of the training sounds.

    Reads one sound at a time. The sums of the sounds are added exactly (`fsum`), so their order is irrelevant.
    """
    sums: list[np.ndarray] = []
    counts: list[float] = []
    for index in range(len(values)):
        if (value := values[index]) is None or not weights[index] > 0:
            continue
        mel = layout.unpack(value)["mel"].astype(np.float64)
        sums.append(np.concatenate([mel.sum(0), (mel * mel).sum(0)]) * float(weights[index]))
        counts.append(float(weights[index]) * len(mel))
    if not counts:
        return np.full(bands, NEUTRAL_MEAN, np.float32), np.full(bands, NEUTRAL_STD, np.float32)
    moments = np.array([math.fsum(column) for column in zip(*sums, strict=True)]) / math.fsum(counts)
    mean, square = moments[:bands], moments[bands:]
    std = np.sqrt(np.maximum(square - mean * mean, 0.0))
    return mean.astype(np.float32), np.maximum(std, LEAST_STD).astype(np.float32)


def collate(values: Values, layout: Layout, *, mean: np.ndarray, std: np.ndarray) -> Tokens:
    """[U] sounds -> values [U, T, M] float32, mask [U, T]; T is the longest of them. A missing sound is masked."""
    mels = [None if value is None else layout.unpack(value)["mel"] for value in values]
    longest = max((len(mel) for mel in mels if mel is not None), default=1)
    out = np.zeros((len(mels), longest, len(mean)), np.float32)
    mask = np.zeros((len(mels), longest), bool)
    for index, mel in enumerate(mels):
        if mel is not None:
            out[index, : len(mel)] = (mel - mean) / std
            mask[index, : len(mel)] = True
    return Tokens(values=out, mask=mask)
