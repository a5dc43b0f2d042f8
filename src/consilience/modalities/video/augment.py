"""Random changes of films that keep their meaning, the same for every frame of one: shift, mirror, brightness.
Training only. What moves keeps moving as it did."""

from __future__ import annotations

import numpy as np

from consilience.core.batch import Tokens
from consilience.modalities.video.config import Config


def augment(tokens: Tokens, rng: np.random.Generator, config: Config, mean: np.ndarray, std: np.ndarray) -> Tokens:
    """New Tokens; each film [K, 3, S, S] gets one draw, and masked frames come back as they were."""
    films, mask = tokens.values.copy(), tokens.mask
    count, size = len(films), films.shape[-1]
    reach = round(config.shift * size)
    # Every draw is made for every film, so that one missing film does not shift the others' luck.
    moves = rng.integers(-reach, reach + 1, (count, 2))
    mirrored = rng.random(count) < 0.5
    factor = rng.uniform(1 - config.brightness, 1 + config.brightness, count).astype(np.float32)
    for u in np.flatnonzero(mask.any(1)).tolist():
        film = films[u, : mask[u].sum()]
        if moves[u].any():
            film[:] = shifted(film, *moves[u].tolist())
        if config.flip and mirrored[u]:
            film[:] = film[..., ::-1].copy()
        if config.brightness:
            film[:] = brightened(film, factor[u], mean, std)
    return Tokens(values=films, mask=mask)


def shifted(film: np.ndarray, down: int, across: int) -> np.ndarray:
    """[K, 3, S, S], its content moved; the edges it comes from are continued."""
    size = film.shape[-1]
    rows = np.clip(np.arange(size) - down, 0, size - 1)
    columns = np.clip(np.arange(size) - across, 0, size - 1)
    return film[:, :, rows[:, None], columns[None]]


def brightened(film: np.ndarray, factor: np.float32, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Grey levels times `factor`, at most white; the film stays normalised by mean and std [3]."""
    black, white = (-mean / std)[:, None, None], ((255 - mean) / std)[:, None, None]
    return np.minimum((film - black) * factor + black, white)
