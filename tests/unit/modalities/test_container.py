"""Containers: told by their first bytes, opened within limits, read as far as they go."""

from __future__ import annotations

import os
from pathlib import Path

import media_files as media
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.core.errors import BadCell
from consilience.core.limits import Limits
from consilience.modalities import container

ROOT = Path("/nowhere")
WAV = media.wav(media.tone())


def read(cell: object, root: Path, limits: Limits) -> None:
    with container.opened(cell, root, limits) as source:
        stream = source.first("audio")
        source.check_seconds("audio")
        for _ in source.frames(stream):
            pass


def reason(cell: object, root: Path = ROOT, **limits: float) -> str:
    with pytest.raises(BadCell) as caught:
        read(cell, root, Limits(**limits))
    assert "\n" not in caught.value.reason
    return caught.value.reason


@pytest.mark.parametrize("name", media.SOUNDS)
def test_sounds_are_told_by_their_first_bytes_and_open(name: str) -> None:
    form, codec, rate = media.SOUNDS[name]
    content = media.sound(media.tone(rate=rate), form, codec, rate)
    assert container.format_of(content[:1024]) is not None
    assert set(container.kinds_of(content, ROOT) or {}) == {"audio"}


@pytest.mark.parametrize(
    ("form", "codec", "name"),
    [("mp4", "mpeg4", "mov"), ("webm", "libvpx", "matroska,webm"), ("avi", "mjpeg", "avi"), ("flv", "flv1", "flv")],
)
def test_films_too(form: str, codec: str, name: str) -> None:
    content = media.film(media.moving_square(), container=form, codec=codec)
    assert container.format_of(content[:1024]) == name
    assert set(container.kinds_of(content, ROOT) or {}) == {"video"}


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"GIF89a" + bytes(100),
        b"hello, this is text",
        b"\xff" * 1024,
        b"<?xml version='1.0'?><MPD/>",
    ],
)
def test_playlists_pictures_and_text_never_reach_ffmpeg(content: bytes) -> None:
    assert container.format_of(content) is None
    assert "neither sound nor film" in reason(content)


@given(st.binary(max_size=64))
def test_any_bytes_are_opened_or_refused(content: bytes) -> None:
    for start in (
        b"",
        b"RIFF\x40\0\0\0WAVE",
        b"OggS",
        b"\x1a\x45\xdf\xa3",
        b"\0\0\0\x18ftypmp42",
        b"fLaC",
        b"ID3\4\0\0",
    ):
        container.kinds_of(start + content, ROOT)  # must not raise


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "there.wav").write_bytes(WAV)
    assert reason("absent.wav", tmp_path) == "no such file"
    assert reason("empty.wav", tmp_path) == reason(b"") == "the file is empty (zero bytes)"
    assert "outside the media root" in reason("../x.wav", tmp_path)
    assert "URLs are not fetched" in reason("https://example.org/x.wav", tmp_path)
    assert "got int" in reason(3)
    assert "limits.stream_bytes" in reason("there.wav", tmp_path, stream_bytes=100)
    assert "limits.bytes" in reason(WAV, bytes=100)


def test_length_and_time_are_limited() -> None:
    assert "limits.seconds" in reason(WAV, seconds=0.1)
    assert "limits.cell_seconds" in reason(media.wav(media.tone(seconds=30)), cell_seconds=1e-6)


def test_a_declared_length_is_known_from_the_header_alone(tmp_path: Path) -> None:
    """A sparse file of ten hours: nothing of it is read."""
    path = tmp_path / "long.wav"
    path.write_bytes(media.wav_header(36_000))
    os.truncate(path, 44 + 36_000 * 32_000)
    assert container.kinds_of("long.wav", tmp_path) == {"audio": 36_000.0}
    assert reason("long.wav", tmp_path) == "36,000 seconds long; the limit is 14,400 (limits.seconds)"
