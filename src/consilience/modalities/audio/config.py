"""How sounds are prepared: the one place that holds the defaults. Knows no data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SHORTEST, LONGEST = 0.1, 600.0
"""Seconds of a sound that encoders may see."""


@dataclass(frozen=True, kw_only=True)
class Config:
    rate: int = 16_000
    """Samples a second that every sound is brought to, in Hz."""
    seconds: float = 0.0
    """Longest part of a sound that encoders see, in seconds; 0 decides from the lengths of some sounds. Hand-made
    features hear all of it."""
    part: Literal["start", "middle"] = "start"
    """Which part of a longer sound encoders see."""
    bands: int = 64
    """Bands of the mel spectrogram."""
    low: float = 20.0
    """Lower edge of the lowest band, in Hz."""
    high: float = 0.0
    """Upper edge of the highest band, in Hz; 0 for half of the rate."""
    scale: Literal["slaney", "htk"] = "slaney"
    """The mel scale: linear below 1 kHz (Slaney's Auditory Toolbox), or logarithmic throughout (HTK)."""
    trim: bool = False
    """Cut silence (40 dB below the loudest moment) from both ends."""
    wave: bool = False
    """Keep the samples too, 16 bits each, beside the mel spectrogram: for backbones with a front of their own."""
    optional: bool = False
    """A film without sound is a missing value, not a bad cell."""
    time_masks: int = 2
    """Training only: stretches of time blotted out in each sound (SpecAugment)."""
    time_share: float = 0.1
    """Training only: longest such stretch, as a part of the sound."""
    band_masks: int = 1
    """Training only: groups of neighbouring bands blotted out in each sound."""
    band_share: float = 0.15
    """Training only: widest such group, as a part of the bands."""
    gain: float = 3.0
    """Training only: largest random change of loudness, in dB."""

    def __post_init__(self) -> None:
        if not 4_000 <= self.rate <= 96_000:
            raise ValueError(f"rate must be from 4000 to 96000 Hz; got {self.rate}")
        if self.seconds and not SHORTEST <= self.seconds <= LONGEST:
            raise ValueError(
                f"seconds must be 0 (decide from the sounds) or {SHORTEST} to {LONGEST:g}; got {self.seconds}"
            )
        if not 20 <= self.bands <= 256:
            raise ValueError(f"bands must be from 20 to 256; got {self.bands}")
        if not 0 <= self.low < (self.high or self.rate / 2) <= self.rate / 2:
            raise ValueError(
                f"low and high must be in order and at most half of the rate; got {self.low:g} and {self.high:g}"
            )
        for name in ("time_share", "band_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1; got {getattr(self, name)}")
        if self.time_masks < 0 or self.band_masks < 0 or self.gain < 0:
            raise ValueError("time_masks, band_masks and gain must be at least 0")

    @property
    def window(self) -> int:
        """Samples of one frame: 25 ms."""
        return round(0.025 * self.rate)

    @property
    def hop(self) -> int:
        """Samples from one frame to the next: 10 ms."""
        return round(0.010 * self.rate)

    @property
    def fft(self) -> int:
        """Points of the Fourier transform: the next power of two."""
        return 1 << (self.window - 1).bit_length()

    @property
    def frames(self) -> int:
        """Most frames that are kept of a sound."""
        return max(1, round(self.seconds * self.rate / self.hop))
