"""From a cell (a path, or bytes) to a sound: decoded piece by piece, resampled, described, its mel spectrogram kept.

Whatever a container or its decoder does wrong is one BadCell. Refuses to know what is learned from training rows.
A value is one row of bytes (see `Layout`): features of the whole sound, and of the part encoders see the mel
spectrogram [T, M] float16 and, if asked for, the samples [N] int16.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import BadCell
from consilience.core.limits import Limits
from consilience.core.optional import need
from consilience.modalities import container
from consilience.modalities.audio import clean, features, transform
from consilience.modalities.audio.config import Config
from consilience.modalities.packed import Layout

ENDINGS = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".wma"),
    *(".aif", ".aiff", ".amr", ".au", ".caf", ".wv", ".weba", ".tta"),
)
KIND = "audio"
"""FFmpeg's word for a stream of sound."""
BLOCK = 1_000
"""Frames looked at together: ten seconds."""
RATES, CHANNELS = (1_000, 768_000), 64
"""Sample rates and numbers of channels that make sense."""


def layout(config: Config) -> Layout:
    return Layout(
        arrays={"features": ("f4", ()), "mel": ("f2", (config.bands,)), "wave": ("i2", ())},
    )


def largest(config: Config) -> int:
    """Bytes of the largest value."""
    wave = config.frames * config.hop if config.wave else 0
    return layout(config).most(features=len(features.names()), mel=config.frames, wave=wave)


def load(cell: Any, config: Config, root: Path, limits: Limits) -> tuple[np.ndarray | None, list[str]]:
    """The value, and a remark where the file is cut off or partly damaged. None: a film without sound, where the
    config takes that for a missing value. Raises BadCell."""
    with container.opened(cell, root, limits) as source:
        stream = source.first(KIND)
        if stream is None:
            if config.optional and source.has_beside(KIND):
                return None, []
            raise BadCell("there is no sound in the file")
        _check(stream)
        source.check_seconds(KIND)
        said = source.seconds(KIND) or 0.0
        listener = Listener(config, said)
        most = limits.seconds * config.rate
        for block in _resampled(source, stream, config.rate):
            listener.hear(clean.samples(block))
            if listener.heard > most:
                source.check_heard(listener.heard / config.rate)
        if not listener.heard:
            raise BadCell(f"the {source.name} file holds no sound: not one sample could be decoded")
        remarks = source.remark(listener.heard / config.rate, KIND)
        return listener.value(), remarks


def _check(stream: Any) -> None:
    """Raises BadCell for a header no recording has."""
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if channels < 1:
        raise BadCell("the sound has zero channels")
    if channels > CHANNELS:
        raise BadCell(f"the sound has {channels:,} channels; at most {CHANNELS} are taken")
    if not RATES[0] <= rate <= RATES[1]:
        raise BadCell(f"the sound has {rate:,} samples a second; {RATES[0]:,} to {RATES[1]:,} are taken")


def _resampled(source: container.Container, stream: Any, rate: int) -> Iterator[np.ndarray]:
    """Blocks of samples [N] float32 at `rate`, all channels mixed into one. A stream may change its form on the way."""
    resampler_of = need("av", extra="media", to="read sound").AudioResampler
    form, resampler = None, None
    for frame in source.frames(stream):
        now = frame.format.name, frame.layout.name, frame.sample_rate
        if now != form:
            if resampler is not None:
                yield from _out(resampler, None)
            form, resampler = now, resampler_of(format="fltp", layout=frame.layout, rate=rate)
        frame.pts = None  # gaps in the time stamps are not filled: what was recorded is what counts
        yield from _out(resampler, frame)
    if resampler is not None:
        yield from _out(resampler, None)


def _out(resampler: Any, frame: Any) -> Iterator[np.ndarray]:
    for part in resampler.resample(frame):
        if part.samples:
            # The mean, not FFmpeg's own mix: that is louder by half, and a loud recording would be cut off.
            yield part.to_ndarray().mean(0)


class Listener:
    """Hears a sound block by block, in memory that does not grow with its length."""

    def __init__(self, config: Config, said: float) -> None:
        """`said`: seconds according to the header, 0 where it does not say."""
        self.config = config
        self.heard = 0
        """Samples so far."""
        self._parts = [Part(0, config)]
        if config.part == "middle" and said > config.seconds:
            self._parts.append(Part(round((said - config.seconds) / 2 * config.rate / config.hop), config))
        self._frame = 0
        self._waiting: list[np.ndarray] = []
        self._waits = 0
        self._memory = features.Memory()
        self._peak = 0.0

    def hear(self, samples: np.ndarray) -> None:
        self._waiting.append(samples)
        self._waits += len(samples)
        self.heard += len(samples)
        size = self.config.window + (BLOCK - 1) * self.config.hop
        if self._waits >= size:
            whole = np.concatenate(self._waiting)
            while len(whole) >= size:
                self._look(whole[:size])
                whole = whole[BLOCK * self.config.hop :]
            self._waiting, self._waits = [whole], len(whole)

    def value(self) -> np.ndarray:
        """The sound as one row of bytes; call it once, at the end."""
        config = self.config
        rest = np.concatenate(self._waiting)
        # The last frame is filled up with silence when at least half a hop would be lost; there is always one frame.
        count = max(round((len(rest) - config.window) / config.hop) + 1, 0 if self._frame else 1)
        if count:
            size = config.window + (count - 1) * config.hop
            self._look(np.pad(rest[:size], (0, max(size - len(rest), 0))))
        described = features.describe(self._memory.all(), self.heard / config.rate, self._peak, config)
        # A header that lies leaves the middle it promised empty: then the start is what there is.
        mel, wave = next(part for part in reversed(self._parts) if part.frames).arrays()
        return layout(config).pack(features=described, mel=mel, wave=wave)

    def _look(self, samples: np.ndarray) -> None:
        frames = transform.framed(samples, self.config)
        power = transform.spectrum(frames, self.config)
        mel = transform.log_mel(power, self.config)
        rows = features.rows(power, mel, frames, self.config)
        self._memory.add(rows)
        self._peak = max(self._peak, float(np.abs(samples).max()))
        for part in self._parts:
            part.take(self._frame, samples, mel, rows[:, features.ENERGY])
        self._frame += len(frames)


class Part:
    """The frames that are kept for encoders: `config.frames` of them from `begin` on."""

    def __init__(self, begin: int, config: Config) -> None:
        self.config = config
        self.frames = 0
        self._begin, self._end = begin, begin + config.frames
        self._kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def take(self, frame: int, samples: np.ndarray, mel: np.ndarray, energy: np.ndarray) -> None:
        """A block of frames, of which the first is number `frame`, and the samples they were made of."""
        first, last = max(self._begin - frame, 0), min(self._end - frame, len(mel))
        if first < last:
            hop = self.config.hop
            wave = np.round(samples[first * hop : last * hop] * 32767).astype(np.int16)
            kept = wave if self.config.wave else wave[:0]
            self._kept.append((mel[first:last].astype(np.float16), energy[first:last].copy(), kept))
            self.frames += last - first

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Mel [T, M] float16 and samples [T * hop] int16, silence at the ends cut off if the config says so."""
        mel, energy, wave = map(np.concatenate, zip(*self._kept, strict=True))
        if not self.config.trim:
            return mel, wave
        span = clean.sounding(energy)
        return mel[span], wave[span.start * self.config.hop : span.stop * self.config.hop]
