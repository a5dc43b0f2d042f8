"""What every backbone of sounds shares: how a sound has to be loaded for it, and its samples. Knows no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from consilience.modalities.audio import samples
from consilience.modalities.audio.config import Config
from consilience.modalities.backbone import read_json

LONGEST = 30.0
"""Seconds of a sound that a backbone hears, at most."""


def settings(folder: Path) -> dict[str, Any]:
    path = folder / "preprocessor_config.json"
    return read_json(path) if path.is_file() else {}


def load_config(config: Config, *, rate: int, seconds: float = LONGEST) -> Config:
    """The samples are kept, always the same stretch of them: it is part of the key that vectors are stored under."""
    return Config(rate=rate, seconds=seconds, wave=True, optional=config.optional)


def wave(value: np.ndarray, config: Config) -> np.ndarray:
    """[N] float32, -1 to 1."""
    return np.asarray(samples(value, config), np.float32)
