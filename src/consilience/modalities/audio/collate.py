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


GROUP = 4
"""Frames of a token: 40 ms. Recurrent networks would be slow on single frames, and what shortens them in a network has
lengths that torch.export cannot follow."""


def collate(values: Values, layout: Layout, *, mean: np.ndarray, std: np.ndarray) -> Tokens:
    """[U] sounds -> values [U, G, GROUP, M] float32, mask [U, G]; G groups of frames are the longest of them. A missing
    sound is masked; in the last group of a sound its last frame is repeated."""
    mels = [None if value is None else layout.unpack(value)["mel"] for value in values]
    groups = [0 if mel is None else -(-len(mel) // GROUP) for mel in mels]
    out = np.zeros((len(mels), max(groups, default=1) or 1, GROUP, len(mean)), np.float32)
    mask = np.zeros(out.shape[:2], bool)
    for index, (mel, count) in enumerate(zip(mels, groups, strict=True)):
        if mel is not None:
            frames = out[index, :count].reshape(-1, len(mean))
            frames[: len(mel)] = (mel - mean) / std
            frames[len(mel) :] = frames[len(mel) - 1]
            mask[index, :count] = True
    return Tokens(values=out, mask=mask)
