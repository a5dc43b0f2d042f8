"""Random changes of collated pictures that keep their meaning: shift, mirror, brightness. Training only."""

from __future__ import annotations

import numpy as np

from consilience.core.batch import Tokens
from consilience.modalities.image.config import Config


def augment(tokens: Tokens, rng: np.random.Generator, config: Config, mean: np.ndarray, std: np.ndarray) -> Tokens:
    """New Tokens; each picture [U, T, 3, H, W] gets its own draw, and masked ones come back as they were."""
    values, mask = tokens.values, tokens.mask
    pictures = values.reshape(-1, *values.shape[2:])
    present = mask.reshape(-1)
    count, size = len(pictures), pictures.shape[-1]
    reach = round(config.shift * size)
    # Every draw is made for every picture, so that one missing picture does not shift the others' luck.
    moves = rng.integers(0, 2 * reach + 1, (2, count))
    mirrored = rng.random(count) < 0.5
    factor = rng.uniform(1 - config.brightness, 1 + config.brightness, count).astype(np.float32)
    if reach:
        pictures = shifted(pictures, np.where(present, moves, reach), reach)
    if config.flip:
        flips = (mirrored & present)[:, None, None, None]
        pictures = np.where(flips, pictures[..., ::-1], pictures)
    if config.brightness:
        pictures = brightened(pictures, np.where(present, factor, np.float32(1)), mean, std)
    return Tokens(values=np.ascontiguousarray(pictures).reshape(values.shape), mask=mask)


def shifted(pictures: np.ndarray, moves: np.ndarray, reach: int) -> np.ndarray:
    """Pictures [N, C, H, W] cut out of their edge-padded selves at `moves` [2, N], rows and columns (`reach`: none)."""
    around = ((0, 0), (0, 0), (reach, reach), (reach, reach))
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(pictures, around, mode="edge"), pictures.shape[2:], (2, 3)
    )
    return windows[np.arange(len(pictures)), :, moves[0], moves[1]]


def brightened(pictures: np.ndarray, factor: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Multiply grey levels by `factor` [N], at most to white; the pictures stay normalised by mean and std [3]."""
    each = factor[:, None, None, None]
    black, white = (-mean / std)[:, None, None], ((255 - mean) / std)[:, None, None]
    changed = np.minimum((pictures - black) * each + black, white)
    return np.where(each == 1, pictures, changed)
