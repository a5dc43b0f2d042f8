"""Containers: told by their first bytes, opened within limits, read as far as they go."""

from __future__ import annotations

import io
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
    assert container.format_of(container.content_start(io.BytesIO(content))[1]) is not None
    assert set(container.kinds_of(content, ROOT) or {}) == {"audio"}


ID3 = b"ID3\x04\0\0" + bytes([0, 0, 8, 0]) + b"\0" * 1024
ID3_WITH_FOOTER = b"ID3\x04\0\x10" + bytes([0, 0, 0, 4]) + b"abcd" + b"3DI\x04\0\x10" + bytes([0, 0, 0, 4])
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (40).to_bytes(4, "little") + bytes(16) + b"x" * 40


@pytest.mark.parametrize("before", [ID3, ID3 + ID3, ID3_WITH_FOOTER, APE, APE + ID3], ids=range(5))
@pytest.mark.parametrize("name", media.SOUNDS)
def test_tags_before_a_sound_are_skipped(name: str, before: bytes) -> None:
    form, codec, rate = media.SOUNDS[name]
    content = media.sound(media.tone(rate=rate), form, codec, rate)
    with container.opened(before + content, ROOT, Limits()) as source:
        frames = list(source.frames(source.first("audio")))
    assert sum(frame.samples for frame in frames) > 0.8 * len(media.tone(rate=rate))
    assert source.damaged == 0


@pytest.mark.parametrize(
    "before", [bytes(8), bytes(417), bytes(5000), ID3 + bytes(100), bytes(100) + ID3], ids=range(5)
)
@pytest.mark.parametrize(("form", "codec"), [("mp3", "libmp3lame"), ("adts", "aac")])
def test_padding_before_frames_is_skipped(form: str, codec: str, before: bytes) -> None:
    content = media.sound(media.tone(), form, codec, 16_000)
    assert set(container.kinds_of(before + content, ROOT) or {}) == {"audio"}


@pytest.mark.parametrize("before", [bytes(100), bytes(70_000), ID3], ids=["padding", "much padding", "a tag"])
@pytest.mark.parametrize("content", [b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n", b"ffconcat version 1.0\n", b""])
def test_nothing_but_known_formats_gets_past_tags_and_padding(before: bytes, content: bytes) -> None:
    assert container.format_of(container.content_start(io.BytesIO(before + content))[1]) is None
    assert "neither sound nor film" in reason(before + content)


@pytest.mark.parametrize("size", [188, 192, 204])
def test_transport_streams_of_every_packet_size_are_read(size: int) -> None:
    plain = media.film(media.moving_square(), container="mpegts", codec="mpeg2video", fps=25)
    packets = [plain[at : at + 188] for at in range(0, len(plain), 188)]
    content = b"".join(bytes(4) * (size == 192) + packet + bytes(16) * (size == 204) for packet in packets)
    assert container.format_of(content[:1024]) == "mpegts"
    assert "video" in (container.kinds_of(content, ROOT) or {})


@pytest.mark.parametrize("box", [b"free", b"wide", b"skip", b"uuid"])
def test_boxes_before_the_first_of_an_mp4_are_no_obstacle(box: bytes) -> None:
    content = media.film(media.moving_square())
    assert set(container.kinds_of((24).to_bytes(4) + box + bytes(16) + content, ROOT) or {}) == {"video"}


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


@pytest.mark.parametrize(
    "junk", [b"\xff" * 99, b"\0\xff\xfb\x90junk" * 30, b"no audio yet " * 99], ids=["set bits", "a lone frame", "text"]
)
@pytest.mark.parametrize(
    ("form", "codec", "rate"), [("mp3", "libmp3lame", 16_000), ("mp3", "libmp3lame", 44_100), ("mp2", "mp2", 48_000)]
)
def test_junk_before_mpeg_audio_is_passed_over(form: str, codec: str, rate: int, junk: bytes) -> None:
    content = junk + media.sound(media.tone(rate=rate), form, codec, rate)
    assert container.format_of(container.content_start(io.BytesIO(content))[1]) == "mp3"
    assert set(container.kinds_of(content, ROOT) or {}) == {"audio"}


@pytest.mark.parametrize(("before", "after"), [(0, 0), (4, 0), (0, 16)])
def test_a_transport_stream_may_begin_in_the_middle_of_a_packet(before: int, after: int) -> None:
    content = media.film(media.moving_square(frames=20), container="mpegts", codec="mpeg2video")
    parts = (content[at : at + 188] for at in range(0, len(content), 188))
    content = b"".join(bytes(before) + part + bytes(after) for part in parts)[100:]
    assert container.format_of(content[:1024]) == "mpegts"
    assert set(container.kinds_of(content, ROOT) or {}) == {"video"}
