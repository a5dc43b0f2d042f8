"""From samples to frames: spectra, the mel spectrogram, cepstra, and a few numbers that describe each frame.

Formulas only; knows no file and nothing learned. Sources: the mel scales of Slaney's Auditory Toolbox (1998) and of HTK
(Young et al., The HTK Book, 2006); MFCC after Davis and Mermelstein (1980), with the orthonormal DCT-II; spectral
descriptors after Peeters (A large set of audio features, 2004); pitch by the autocorrelation of Boersma (1993).

Shape legend: N samples, T frames, K bins of the spectrum, M mel bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from consilience.modalities.audio.config import Config

CEPSTRA = 20
FLOOR = 1e-10
"""Least power of a band: -100 dB, far below what 16 bits can hold."""
ROLLOFF = 0.85
LOWEST, HIGHEST, VOICED = 75.0, 500.0, 0.5
"""Pitch looked for, in Hz, and the part of a frame's power that must repeat with it (0 to 1)."""

BREAK, STEP = 1000.0, 200.0 / 3
"""Slaney's scale: linear below 1000 Hz with 66.7 Hz a mel, above it 27 mel for a factor of 6.4."""
LOG_STEP = np.log(6.4) / 27


def hz_to_mel(hz: np.ndarray, scale: str) -> np.ndarray:
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return 2595 * np.log10(1 + hz / 700)
    return np.where(hz < BREAK, hz / STEP, BREAK / STEP + np.log(np.maximum(hz, BREAK) / BREAK) / LOG_STEP)


def mel_to_hz(mel: np.ndarray, scale: str) -> np.ndarray:
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    edge = BREAK / STEP
    return np.where(mel < edge, mel * STEP, BREAK * np.exp(LOG_STEP * (np.maximum(mel, edge) - edge)))


def filters(*, rate: int, fft: int, bands: int, low: float, high: float, scale: str) -> np.ndarray:
    """[K, M] float64: triangles over the bins, evenly spaced in mel, each of the same area (Slaney's normalisation)."""
    bins = np.arange(fft // 2 + 1) * rate / fft
    ends = hz_to_mel(np.array([low, high]), scale)
    edges = mel_to_hz(np.linspace(ends[0], ends[1], bands + 2), scale)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - left) / (centre - left)
    falling = (right - bins[:, None]) / (right - centre)
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (right - left))


def dct(bands: int, count: int) -> np.ndarray:
    """[M, count] float64: the first columns of the orthonormal DCT-II."""
    place = (2 * np.arange(bands)[:, None] + 1) * np.arange(count)[None]
    matrix = np.cos(np.pi * place / (2 * bands)) * np.sqrt(2 / bands)
    matrix[:, 0] /= np.sqrt(2)
    return matrix


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What every block of a config's sounds is multiplied with."""

    window: np.ndarray
    mel: np.ndarray
    dct: np.ndarray
    hz: np.ndarray
    """[K] the middle of each bin."""
    lags: tuple[int, int]
    """Periods looked for, in samples."""
    window_repeats: np.ndarray
    """The window's own autocorrelation, by lag: what a frame's is divided by."""


@lru_cache(maxsize=8)
def tables(config: Config) -> Tables:
    size, fft, rate = config.window, config.fft, config.rate
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)  # Hann, periodic
    power = np.abs(np.fft.rfft(window, 2 * fft)) ** 2
    repeats = np.fft.irfft(power)[:fft]
    mel = filters(
        rate=rate, fft=fft, bands=config.bands, low=config.low, high=config.high or rate / 2, scale=config.scale
    )
    return Tables(
        window=window,
        mel=mel.astype(np.float32),
        dct=dct(config.bands, CEPSTRA).astype(np.float32),
        hz=(np.arange(fft // 2 + 1) * rate / fft).astype(np.float32),
        lags=(int(rate / HIGHEST), min(int(rate / LOWEST), size * 3 // 4)),
        window_repeats=(repeats / repeats[0]).astype(np.float32),
    )


def framed(samples: np.ndarray, config: Config) -> np.ndarray:
    """[N] -> [T, window], a view: frame t begins at sample t * hop. N is at least one window."""
    return np.lib.stride_tricks.sliding_window_view(samples, config.window)[:: config.hop]


def spectrum(frames: np.ndarray, config: Config) -> np.ndarray:
    """[T, window] -> power [T, K] float32."""
    lines = np.fft.rfft(frames * tables(config).window, config.fft, axis=1)
    return (lines.real**2 + lines.imag**2).astype(np.float32, copy=False)


def log_mel(power: np.ndarray, config: Config) -> np.ndarray:
    """Power [T, K] -> natural logarithm of the power in each band [T, M] float32."""
    return np.log(np.maximum(power @ tables(config).mel, np.float32(FLOOR)))


def mfcc(mel: np.ndarray, config: Config) -> np.ndarray:
    """Log-mel [T, M] -> cepstra [T, CEPSTRA] of the spectrum in dB."""
    return (mel * np.float32(10 / np.log(10))) @ tables(config).dct


def delta(rows: np.ndarray, reach: int = 2) -> np.ndarray:
    """[T, ...] -> its slope in time, by regression over `reach` frames on both sides; the ends are continued."""
    padded = np.pad(rows, [(reach, reach)] + [(0, 0)] * (rows.ndim - 1), mode="edge")
    count = len(rows)
    steps = range(1, reach + 1)
    total = sum(n * (padded[reach + n :][:count] - padded[reach - n :][:count]) for n in steps)
    return total / (2 * sum(n * n for n in steps))


SCALARS = ("energy", "centroid", "bandwidth", "rolloff", "flatness", "zero crossings", "flux")


def scalars(frames: np.ndarray, power: np.ndarray, config: Config) -> np.ndarray:
    """[T, len(SCALARS)] float32: energy in dB of full scale, centroid, bandwidth and rolloff in Hz, flatness 0 to 1,
    sign changes a sample, and how much the shape of the spectrum changed since the frame before (0 to 2)."""
    hz = tables(config).hz
    energy = 10 * np.log10(np.maximum(np.mean(frames * frames, axis=1), FLOOR))
    total = power.sum(1) + np.float32(FLOOR)
    share = power / total[:, None]
    centroid = share @ hz
    bandwidth = np.sqrt(np.maximum(share @ (hz * hz) - centroid * centroid, 0))
    rolloff = hz[np.argmax(np.cumsum(share, axis=1) >= ROLLOFF * share.sum(1)[:, None], axis=1)]
    flatness = np.exp(np.mean(np.log(power + np.float32(FLOOR)), axis=1)) / (total / power.shape[1])
    crossings = np.mean(np.signbit(frames[:, 1:]) != np.signbit(frames[:, :-1]), axis=1)
    flux = np.abs(np.diff(share, axis=0, prepend=share[:1])).sum(1)
    columns = (energy, centroid, bandwidth, rolloff, np.minimum(flatness, 1), crossings, flux)
    return np.stack(columns, axis=1).astype(np.float32)


def pitch(frames: np.ndarray, config: Config) -> np.ndarray:
    """[T] float32: pitch in semitones above 55 Hz; NaN where the frame does not repeat itself (no voice, no note).

    The autocorrelation of the windowed frame over that of the window; the shortest lag whose peak comes near the
    best one wins, so that a period is not taken for its double.
    """
    t = tables(config)
    frames = (frames - frames.mean(1, keepdims=True)) * t.window
    lines = np.fft.rfft(frames, 2 * config.fft, axis=1)
    repeats = np.fft.irfft(lines.real**2 + lines.imag**2, axis=1)[:, : t.lags[1] + 2].astype(np.float32)
    first, last = t.lags
    power = np.maximum(repeats[:, :1], np.float32(FLOOR))
    r = repeats / power / np.maximum(t.window_repeats[: last + 2], np.float32(0.05))
    middle = r[:, first : last + 1]
    peak = (middle >= r[:, first - 1 : last]) & (middle >= r[:, first + 1 : last + 2])
    height = np.where(peak, middle, np.float32(0))
    best = height.max(1, keepdims=True)
    lag = np.argmax(height >= 0.9 * best, axis=1)
    rows = np.arange(len(frames))
    before, at, after = (r[rows, first + lag + d] for d in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0)  # the top of a parabola
    hz = config.rate / (first + lag + np.clip(shift, -0.5, 0.5))
    heard = (best[:, 0] > VOICED) & (repeats[:, 0] > 1e-4)
    return np.where(heard, 12 * np.log2(hz / 55), np.nan).astype(np.float32)
