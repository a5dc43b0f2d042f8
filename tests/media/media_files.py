"""Tiny sounds and films for tests, made by PyAV: tones and moving squares that a user could have recorded."""

from __future__ import annotations

import csv
import io
import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SOUNDS = {  # name of the file -> (container, codec, rate)
    "a.wav": ("wav", "pcm_s16le", 16_000),
    "a.flac": ("flac", "flac", 16_000),
    "a.opus": ("ogg", "libopus", 48_000),
    "a.mp3": ("mp3", "libmp3lame", 16_000),
    "a.m4a": ("ipod", "aac", 16_000),
    "a.aac": ("adts", "aac", 16_000),
    "a.weba": ("webm", "libopus", 48_000),
    "a.aiff": ("aiff", "pcm_s16be", 22_050),
    "a.au": ("au", "pcm_s16be", 8_000),
    "a.caf": ("caf", "pcm_s16be", 16_000),
    "a.wv": ("wv", "wavpack", 16_000),
    "a.amr": ("amr", "libopencore_amrnb", 8_000),
}


def tone(hz: float = 440.0, *, seconds: float = 0.5, rate: int = 16_000, loud: float = 0.3) -> np.ndarray:
    """[N] float32."""
    return (loud * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav(samples: np.ndarray, rate: int = 16_000, channels: int = 1) -> bytes:
    """A WAV of 16 bits. With several channels `samples` is [N, channels]."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return buffer.getvalue()


def wav_header(seconds: float, *, rate: int = 16_000, channels: int = 1, bits: int = 16) -> bytes:
    """The 44 bytes that begin a WAV of that length."""
    frame = channels * bits // 8
    size = min(int(seconds * rate) * frame, 2**32 - 40)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, bits)
    return (
        b"RIFF"
        + struct.pack("<I", size + 36)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
    )


def sound(samples: np.ndarray, container: str, codec: str, rate: int) -> bytes:
    """Samples (of that rate) in any container and codec PyAV can write."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        _encode_sound(out, out.add_stream(codec, rate=rate, layout="mono"), samples, rate)
    return buffer.getvalue()


def _encode_sound(out, stream, samples: np.ndarray, rate: int) -> None:
    whole = np.round(np.clip(samples, -1, 1) * 32_767).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    resampler = av.AudioResampler(
        format=stream.format, layout="mono", rate=stream.rate, frame_size=stream.frame_size or None
    )
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        out.mux(stream.encode(part))
    out.mux(stream.encode(None))


def moving_square(
    *, frames: int = 8, side: int = 32, colour: tuple[int, int, int] = (200, 40, 40), step: int = 2, wide: int = 0
) -> list[np.ndarray]:
    """Pictures [side, wide or side, 3] of a square that moves `step` pixels to the right a frame."""
    out = []
    for n in range(frames):
        picture = np.full((side, wide or side, 3), 230, np.uint8)
        left = (4 + n * step) % ((wide or side) - 8)
        picture[12:20, left : left + 8] = colour
        out.append(picture)
    return out


def film(
    pictures: list[np.ndarray],
    *,
    fps: int = 10,
    container: str = "mp4",
    codec: str = "mpeg4",
    samples: np.ndarray | None = None,
    sound_codec: str = "aac",
    rate: int = 16_000,
    times: list[int] | None = None,
    key_every: int = 4,
    rotated: int = 0,
) -> bytes:
    """A film of these pictures, with a sound track if there are samples; `times`: the moment of each, in ms; `rotated`:
    degrees to the left by which a player should turn it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = key_every
        if rotated:
            stream.set_display_rotation(rotated)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        track = None if samples is None else out.add_stream(sound_codec, rate=rate, layout="mono")
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[n], Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track is not None:
            _encode_sound(out, track, samples, rate)
    return buffer.getvalue()


LABELS = ("red low", "red high", "blue low", "blue high")


def table(folder: Path, rows: int) -> list[dict]:
    """Films (colour tells half of the label, their sound the other half) and voice notes (which tell what the sound
    does), either of them missing now and then, and both on some rows."""
    rng = np.random.default_rng(0)
    (folder / "m").mkdir()
    out = []
    for n in range(rows):
        blue, high = n % 4 // 2, n % 2
        colour = (20, 30, 200) if blue else (210, 40, 30)
        heard = tone((300, 1_500)[high] * rng.uniform(0.9, 1.1), seconds=0.4)
        form, codec, ending = (("mp4", "mpeg4", "mp4"), ("avi", "mjpeg", "avi"))[n % 5 == 0]
        pictures = moving_square(frames=4, colour=colour)
        silent = n % 7 == 3
        content = film(pictures, container=form, codec=codec, samples=None if silent else heard)
        (folder / f"m/{n}.{ending}").write_bytes(content)
        (folder / f"m/{n}.wav").write_bytes(wav(heard + rng.normal(0, 0.01, len(heard)).astype(np.float32)))
        gone = n % 11
        out.append(
            {
                "clip": "" if gone in (1, 3) else f"m/{n}.{ending}",
                "voice": "" if gone in (2, 3) else f"m/{n}.wav",
                "price": n % 3,
                "label": LABELS[n % 4],
            }
        )
    return out


def write(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
