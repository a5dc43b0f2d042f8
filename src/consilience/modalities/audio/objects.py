"""Sounds that Python holds as objects, as Hugging Face `datasets` decodes them, as the bytes of a file."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from typing import Any

import numpy as np


def file_of(value: Any) -> bytes | None:
    """A WAV file of 16 bits of {"array": samples [N] or [channels, N] from -1 to 1, "sampling_rate": Hz}; None for any
    other value."""
    if not isinstance(value, Mapping) or not set(value) >= {"array", "sampling_rate"}:
        return None
    channels = np.atleast_2d(np.asarray(value["array"], np.float64))
    whole = np.round(np.clip(np.nan_to_num(channels), -1, 1) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(len(whole))
        file.setsampwidth(2)
        file.setframerate(int(value["sampling_rate"]))
        file.writeframes(whole.T.tobytes())
    return buffer.getvalue()
