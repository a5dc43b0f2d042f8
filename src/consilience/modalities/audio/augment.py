"""Random changes of a mel spectrogram that keep its meaning: stretches of time and groups of bands blotted out
(D. Park et al.: SpecAugment, 2019), and another loudness. Training only."""

from __future__ import annotations

import numpy as np

from consilience.core.batch import Tokens
from consilience.modalities.audio.config import Config


def augment(tokens: Tokens, rng: np.random.Generator, config: Config, std: np.ndarray) -> Tokens:
    """New Tokens; each sound gets draws of its own. What is blotted out holds the training mean, which is 0; the mask
    stays, for the sound is as long as before."""
    changed, mask = tokens.values.copy(), tokens.mask
    count, _, group, bands = changed.shape
    values = changed.reshape(count, -1, bands)
    # Every draw is made for every sound, so that one missing sound does not shift the others' luck.
    stretches = rng.random((count, config.time_masks, 2))
    groups = rng.random((count, config.band_masks, 2))
    louder = rng.uniform(-config.gain, config.gain, count) * np.log(10) / 10
    for u in np.flatnonzero(mask.any(1)).tolist():
        length = int(mask[u].sum()) * group
        values[u, :length] += (louder[u] / std).astype(np.float32)
        for begin, end in _spans(stretches[u], length, config.time_share):
            values[u, begin:end] = 0
        for begin, end in _spans(groups[u], bands, config.band_share):
            values[u, :length, begin:end] = 0
    return Tokens(values=changed, mask=mask)


def _spans(draws: np.ndarray, size: int, share: float) -> list[tuple[int, int]]:
    """Stretches within `size`, each as long as a draw of up to `share` of it, and anywhere in it."""
    out = []
    for width, place in draws:
        long = int(width * (share * size + 1))
        begin = int(place * (size - long + 1))
        out.append((begin, begin + long))
    return out
