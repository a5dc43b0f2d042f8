"""What is mended in samples before they are looked at, and silence at the ends of a sound."""

from __future__ import annotations

import numpy as np

LOUDEST = 1.0
"""Samples are cut off here: a recording of whole numbers cannot be louder."""
SILENT = 40.0
"""dB below the loudest moment."""


def samples(block: np.ndarray) -> np.ndarray:
    """[N] float32 within full scale; what is no number (a damaged recording of fractions) is silence."""
    return np.clip(np.nan_to_num(block, nan=0.0, posinf=LOUDEST, neginf=-LOUDEST), -LOUDEST, LOUDEST)


def sounding(energy: np.ndarray) -> slice:
    """Frames from the first to the last that is not silent; all of them when every one is equally loud."""
    loud = np.flatnonzero(energy > energy.max() - SILENT)
    return slice(int(loud[0]), int(loud[-1]) + 1) if len(loud) else slice(0, len(energy))
