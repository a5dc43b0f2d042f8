"""Sounds that Python holds as objects, as Hugging Face `datasets` decodes them, as the bytes of a file."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from typing import Any

import numpy as np

from consilience.core.files import Stored

LOUDEST = 2.0
"""Samples that are fractions go from -1 to 1; decoders and filters overshoot a little. Beyond this they are of another
scale, which cannot be told."""
CHANNELS = 64
"""More than any sound has."""


def file_of(value: Any) -> bytes | Stored | None:
    """A WAV file of 16 bits of {"array": samples [N], [channels, N] or [N, channels], "sampling_rate": Hz}, or a cell
    that says why there is none; None for any other value. Fractions go from -1 to 1, whole numbers over the range of
    their type."""
    if not isinstance(value, Mapping) or not set(value) >= {"array", "sampling_rate"}:
        return None
    try:
        return _wav(_fractions(np.asarray(value["array"])), _rate(value["sampling_rate"]))
    except (TypeError, ValueError) as error:
        return Stored("a sound", problem=f"the sound cannot be used: {error}")


def _fractions(array: np.ndarray) -> np.ndarray:
    """[channels, N] from -1 to 1. Raises ValueError."""
    if array.dtype == object or array.ndim not in (1, 2) or not array.size:
        raise ValueError("its array must be samples [N] or [channels, N], and at least one of them")
    channels = np.atleast_2d(array)
    channels = channels.T if channels.shape[0] > channels.shape[1] else channels  # as soundfile gives them
    if len(channels) > CHANNELS:
        raise ValueError(f"its array {list(array.shape)} would be {len(channels):,} channels")
    if channels.dtype.kind in "iu":
        span = np.iinfo(channels.dtype)
        middle = 0 if span.min < 0 else (span.max + 1) // 2  # unsigned samples lie around the middle
        return (channels.astype(np.float64) - middle) / (span.max + 1 - middle)
    if channels.dtype.kind != "f":
        raise ValueError(f"its array is of {channels.dtype}, not of numbers")
    finite = np.nan_to_num(channels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if (peak := np.abs(finite).max()) > LOUDEST:
        raise ValueError(f"samples that are fractions go from -1 to 1, but here to {peak:.4g}; divide them by the peak")
    return np.asarray(np.clip(finite, -1, 1))


def _rate(given: Any) -> int:
    rate = float(given)
    if not 1 <= rate < 2**31:
        raise ValueError(f"its sampling rate must be a number of Hz from 1 up, not {given}")
    return round(rate)


def _wav(channels: np.ndarray, rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((len(channels), 2, rate, 0, "NONE", ""))
        file.writeframes(np.round(channels * 32767).astype("<i2").T.tobytes())
    return buffer.getvalue()
