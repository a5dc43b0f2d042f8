"""The audio modality: a column of sound files, or of their bytes, one sound a cell; or the sound of a column of films.

Says what sounds need and leaves the work to the files beside it. Imports no torch: encoders are listed by name.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from consilience.core.batch import Tokens
from consilience.core.errors import UserError
from consilience.core.limits import Limits
from consilience.core.optional import require
from consilience.core.registry import Family
from consilience.core.state import State
from consilience.modalities import container
from consilience.modalities.audio import augment, collate, features, load, objects, sniff
from consilience.modalities.audio.config import Config as AudioConfig
from consilience.modalities.base import (
    MISSING_MARKERS,
    ColumnSample,
    Evidence,
    Features,
    Field,
    Modality,
    Preview,
    Processor,
    Values,
    is_nothing,
    some_named,
    spread,
)
from consilience.modalities.png import png

PREVIEW_COLUMNS = 320
"""Columns of the picture of a sound, at most about."""

ENCODERS = Family(
    "audio encoder",
    {
        "cnn": "consilience.modalities.audio.encoders.cnn:CnnEncoder",
        "gru": "consilience.modalities.audio.encoders.gru:GruEncoder",
    },
)

BACKBONES = Family(
    "audio backbone",
    {
        "whisper": "consilience.modalities.audio.backbones.whisper:Whisper",
        "transformers": "consilience.modalities.audio.backbones.transformers:TransformersAudio",
    },
)

HEADERS = 50
"""Headers read to decide how much of a sound encoders see."""
LONG, LEAST, MOST, UNKNOWN = 0.95, 1.0, 30.0, 10.0
"""The decided seconds: long enough for this part of the sounds, within these bounds; without any header, the last."""


class AudioProcessor(Processor):
    """Sounds of one input: mean and deviation of each mel band of the training sounds."""

    def __init__(self, config: AudioConfig, mean: np.ndarray, std: np.ndarray) -> None:
        self.config = config
        self._layout = load.layout(config)
        self._mean = np.asarray(mean, np.float32)
        self._std = np.asarray(std, np.float32)

    def collate(self, values: Values) -> Tokens:
        """values [U, G, 4, M] float32: normalised log-mel frames, one every 10 ms, four a token; mask [U, G]."""
        return collate.collate(values, self._layout, mean=self._mean, std=self._std)

    def augment(self, tokens: Tokens, rng: np.random.Generator) -> Tokens:
        return augment.augment(tokens, rng, self.config, self._std)

    def features(self, values: Values) -> Features:
        """Dense [U, F] float32: cepstra, spectral shape, pitch, loudness and their course; see features.py."""
        names = features.names()
        matrix = np.zeros((len(values), len(names)), np.float32)
        present = np.zeros(len(values), bool)
        for index, value in enumerate(values):
            if value is not None:
                matrix[index] = self._layout.unpack(value)["features"]
                present[index] = True
        return Features(matrix=matrix, present=present, names=names)

    def learned(self) -> State:
        return State()  # features are made while loading

    def shape(self) -> dict[str, int]:
        return {"bands": self.config.bands, "group": collate.GROUP}

    def state(self) -> State:
        return State(arrays={"mean": self._mean.copy(), "std": self._std.copy()})


class Audio(Modality):
    """One sound a cell: WAV, FLAC, Ogg, Opus, MP3, AAC, M4A, AIFF, AU, CAF, AMR, WavPack, or the sound of a film."""

    name: ClassVar[str] = "audio"
    kinds: ClassVar[tuple[str, ...]] = ("audio", "sound")
    media: ClassVar[bool] = True
    streamed: ClassVar[bool] = True
    ragged: ClassVar[bool] = True
    joint: ClassVar[bool] = False
    markers: ClassVar[tuple[str, ...]] = MISSING_MARKERS
    libraries: ClassVar[tuple[str, ...]] = ("av",)
    encoders: ClassVar[Family] = ENCODERS
    default_encoder: ClassVar[str] = "cnn"
    backbones: ClassVar[Family] = BACKBONES
    Config: ClassVar[type] = AudioConfig

    file_of = staticmethod(objects.file_of)

    def sniff(self, column: ColumnSample) -> Evidence | None:
        found = sniff.claim(column.without_markers)
        if found is None:
            return None
        strength, reason, part = found
        if part:
            return Evidence(strength=strength, reason=reason, kind="sound", beside="sound")
        return Evidence(strength=strength, reason=reason, kind="audio")

    def hint(self, column: ColumnSample) -> str | None:
        return some_named(column, load.ENDINGS, "audio", self.name)

    def resolve(self, config: AudioConfig, columns: Sequence[ColumnSample], kinds: Sequence[str]) -> AudioConfig:
        """Decides `seconds`, so that it covers nearly all sounds, within bounds. The sound of films may be missing.
        Raises UserError for several columns, MissingExtra without PyAV."""
        require("av", extra="media", to="read sound")
        if len(columns) != 1:
            names = ", ".join(repr(column.name) for column in columns)
            raise UserError(
                f"an audio input holds one sound a row, but this one has the columns {names}. "
                "Make one input of each column; a model can have any number of audio inputs."
            )
        if kinds[0] != self.kinds[0]:
            config = replace(config, optional=True)
        if config.seconds:
            return config
        column = columns[0]
        looks = (container.kinds_of(cell, column.root) for cell in spread(column.cells, HEADERS))
        found = sorted(s for look in looks if look is not None and (s := look.get(load.KIND)) is not None)
        if not found:
            return replace(config, seconds=UNKNOWN)
        seconds = round(min(max(found[min(int(LONG * len(found)), len(found) - 1)], LEAST), MOST), 2)
        return replace(config, seconds=seconds)

    def missing(self, cell: tuple[Any, ...]) -> bool:
        return is_nothing(cell[0])

    def load(
        self, cell: tuple[Any, ...], config: AudioConfig, root: Path, limits: Limits
    ) -> tuple[np.ndarray | None, list[str]]:
        """One row of bytes, see load.py. Raises BadCell: no such file, no sound in it, damaged, too long."""
        assert config.seconds, "the seconds are decided by resolve() before anything is loaded"
        return load.load(cell[0], config, root, limits)

    def array(self, config: AudioConfig) -> tuple[tuple[int, ...], np.dtype[Any]]:
        return (load.largest(config),), np.dtype(np.uint8)

    def fit(self, values: Values, config: AudioConfig, *, weights: np.ndarray) -> AudioProcessor:
        mean, std = collate.band_statistics(values, weights, load.layout(config), config.bands)
        return AudioProcessor(config, mean, std)

    def restore(self, state: State, config: AudioConfig) -> AudioProcessor:
        require("av", extra="media", to="read sound")
        return AudioProcessor(config, state.arrays["mean"], state.arrays["std"])

    def fields(self, config: AudioConfig, columns: Sequence[str]) -> tuple[Field, ...]:
        accept = "audio/*,video/*" if config.optional else "audio/*"
        return tuple(Field(column=column, form="file", accept=accept) for column in columns)

    def preview(self, columns: Sequence[str], cell: tuple[Any, ...], value: Any, config: AudioConfig) -> Preview:
        """A picture of the mel spectrogram as models see it, low sounds at the bottom, with the name of the file."""
        mel = load.layout(config).unpack(np.asarray(value))["mel"].astype(np.float32)
        words = super().preview(columns, cell, value, config).words
        if not len(mel):
            return Preview(words=words)
        step = max(1, len(mel) // PREVIEW_COLUMNS)
        levels = mel[: len(mel) // step * step].reshape(-1, step, mel.shape[1]).mean(1).T[::-1]
        low, high = np.quantile(levels, [0.02, 0.995])
        grey = np.round(255 * np.clip((levels - low) / max(float(high - low), 1e-6), 0, 1)).astype(np.uint8)
        return Preview(words=words, content=png(grey.repeat(2, axis=0)), media_type="image/png")

    def example(self, config: AudioConfig, processor: Processor, rng: np.random.Generator) -> tuple[bytes, ...]:
        """A WAV of a few soft random tones, up to half a second long."""
        rate, count = 16_000, int(rng.integers(3_000, 8_000))
        time = np.arange(count) / rate
        pitches, loud = rng.uniform(100, 3_000, 3), rng.uniform(0.05, 0.25, 3)
        tones = (loud[:, None] * np.sin(2 * np.pi * pitches[:, None] * time)).sum(0)
        samples = np.round(32_767 * (tones + rng.normal(0, 0.01, count))).astype("<i2")
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.tobytes())
        return (buffer.getvalue(),)


def samples(value: np.ndarray, config: AudioConfig) -> np.ndarray:
    """The kept samples [N] of a loaded value, -1 to 1, at `config.rate`; none unless `config.wave` was on."""
    wave = load.layout(config).unpack(value)["wave"]
    return wave.astype(np.float32) / 32_767
