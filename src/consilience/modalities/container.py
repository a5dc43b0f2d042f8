"""Containers of sound and film: which one it is, opened within limits, packets decoded one after the other.

The one file that calls PyAV (FFmpeg). A container's format is read off its first bytes and must be one of those below:
FFmpeg knows hundreds, among them playlists that open other files and addresses. Refuses to know what a stream's frames
are good for; which kind of stream it wants, the caller says.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from consilience.core import files
from consilience.core.errors import BadCell
from consilience.core.limits import Limits
from consilience.core.optional import need
from consilience.modalities import mpeg_frames

HEAD = 1024
"""First bytes that are looked at to tell the format."""

DECLARING = ("wav", "flac", "mov", "matroska,webm", "aiff", "au", "caf", "avi", "wv", "tta")
"""Formats whose header says how long they are; of the others FFmpeg estimates it."""

PADDING_LEAST, PADDING_MOST = 8, 65_536
"""Zero bytes before the frames of an MP3 or AAC that count as padding."""

PACKETS = 64
"""Packets decoded between two looks at the clock."""

ODD = 0.1, 0.5
"""A file may be shorter than its header says by this part of it and these seconds; what lacks more is cut off."""


def format_of(head: bytes) -> str | None:
    """FFmpeg's name of the container that begins with these bytes (its magic number), or None. Tags and padding are to
    be skipped before (`content_start`)."""
    four, kind = head[:4], head[8:12]
    if four in (b"RIFF", b"RF64", b"BW64", b"RIFX"):
        return {b"WAVE": "wav", b"AVI ": "avi"}.get(kind)
    if four == b"FORM":
        return "aiff" if kind in (b"AIFF", b"AIFC") else None
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"skip", b"free", b"pnot", b"uuid"):
        return None if head[4:8] == b"ftyp" and kind in _STILL else "mov"
    if found := _PLAIN.get(four):
        return found
    if head.startswith(b"#!AMR"):
        return "amr"
    if head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
        return "asf"
    # Packets of 188 bytes; of camcorders and Blu-ray with a time stamp of 4 before each, of broadcast with 16 after it.
    # A stream that was cut out of a longer one may begin in the middle of a packet.
    for step in (188, 192, 204):
        if any(head[first : first + 4 * step : step] == b"GGGG" for first in range(step)):
            return "mpegts"
    return mpeg_frames.frame(head)[0]


_STILL = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
"""Images (HEIF, AVIF) come in the same boxes as MP4."""

_PLAIN = {
    b"OggS": "ogg",
    b"fLaC": "flac",
    b"\x1a\x45\xdf\xa3": "matroska,webm",
    b".snd": "au",
    b"caff": "caf",
    b"wvpk": "wv",
    b"TTA1": "tta",
    b"FLV\x01": "flv",
    b"\0\0\x01\xba": "mpeg",
    b"\0\0\x01\xb3": "mpegvideo",
}


def content_start(source: Any) -> tuple[int, bytes]:
    """Where the content of an open file begins, after tags (ID3, APE) and zero bytes, and its first bytes. Players
    write such tags before sounds of any kind."""
    at, padded = 0, False
    head = first = _bytes_at(source, 0)
    for _ in range(8):
        if head[:3] == b"ID3" and len(head) > 10 and max(head[6:10]) < 128:
            size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
            at += 10 + size + 10 * bool(head[5] & 0x10)  # the flag of a footer
        elif head[:8] == b"APETAGEX":
            at += 32 + int.from_bytes(head[12:16], "little")
        elif head[:PADDING_LEAST] == bytes(PADDING_LEAST) and not padded:
            at, padded = _after_zeros(source, at), True
        else:
            break
        head = _bytes_at(source, at)
    # Only bare frames can follow padding: any other format has a place of its own for it.
    if padded and mpeg_frames.frame(head)[0] is None:
        at, head = 0, first
    if format_of(head) is None:  # what is left of a frame, or anything else, before MPEG audio
        source.seek(at)
        if start := mpeg_frames.first_frame(source.read(PADDING_MOST)):
            return at + start, _bytes_at(source, at + start)
    return at, head


def _after_zeros(source: Any, at: int) -> int:
    for start in range(at, at + PADDING_MOST, HEAD):
        block = _bytes_at(source, start)
        if rest := block.lstrip(b"\0"):
            return start + len(block) - len(rest)
    return at + PADDING_MOST


def _bytes_at(source: Any, start: int) -> bytes:
    source.seek(start)
    return source.read(HEAD)  # type: ignore[no-any-return]


def file_head(cell: Any, root: Path) -> bytes | None:
    """The first bytes of a cell's content after tags, or None when there is nothing that can be read."""
    if not isinstance(cell, str | bytes):
        return None
    try:
        with files.open_cell(cell, root, Limits().bytes, max_file=Limits().stream_bytes) as source:
            return content_start(source)[1]
    except (BadCell, OSError, ValueError):
        return None


def kinds_of(cell: Any, root: Path) -> dict[str, float | None] | None:
    """The kinds of streams a cell holds, each with its seconds where the header tells them; None: it cannot be read.

    Reads headers only. A cover picture inside a sound file is no film.
    """
    try:
        with opened(cell, root, Limits()) as source:
            return {kind: source.seconds(kind) for kind in {s.type for s in source.streams()}}
    except (BadCell, OSError, ImportError):
        return None


class Window(io.RawIOBase):
    """An open file from some byte on, as a file of its own: a demuxer is to see its own format alone."""

    def __init__(self, source: Any, start: int, size: int) -> None:
        self._source, self._start, self._size = source, start, size
        source.seek(start)

    def read(self, count: int = -1) -> bytes:
        return self._source.read(count)  # type: ignore[no-any-return]

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: self._start, io.SEEK_CUR: self._source.tell(), io.SEEK_END: self._size}[whence]
        return self._source.seek(max(self._start, base + offset)) - self._start  # type: ignore[no-any-return]

    def tell(self) -> int:
        return self._source.tell() - self._start  # type: ignore[no-any-return]

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


class Container:
    """An opened container: its streams, and their frames in the order of the file."""

    def __init__(self, handle: Any, name: str, limits: Limits, *, lacks: str = "") -> None:
        self.handle, self.name, self.limits, self.lacks = handle, name, limits, lacks
        self.damaged = 0
        """Packets that could not be decoded."""
        self.decoded = 0
        # A little before the worker's own alarm, which costs the worker.
        self._until = time.monotonic() + 0.9 * limits.cell_seconds

    def streams(self) -> list[Any]:
        """All streams but cover pictures and what FFmpeg knows no decoder for."""
        cover = need("av", extra="media", to=_TO).stream.Disposition.attached_pic
        return [s for s in self.handle.streams if s.codec_context is not None and not s.disposition & cover]

    def first(self, kind: str) -> Any:
        """The first stream of a kind, or None."""
        return next((stream for stream in self.streams() if stream.type == kind), None)

    def has_beside(self, kind: str) -> bool:
        """Whether there is something to see or hear of another kind."""
        return any(stream.type not in (kind, "subtitle", "data", "attachment") for stream in self.streams())

    def seconds(self, kind: str) -> float | None:
        """How long the header says the first stream of a kind is; None where it does not say."""
        stream = self.first(kind)
        if stream is not None and stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self.handle.duration / 1e6 if self.handle.duration else None

    def check_seconds(self, kind: str) -> None:
        """Raises BadCell for more seconds than the limit, before anything is decoded."""
        said = self.seconds(kind)
        if said is not None and said > self.limits.seconds:
            raise BadCell(f"{said:,.0f} seconds long; the limit is {self.limits.seconds:,.0f} (limits.seconds)")

    def check_heard(self, seconds: float) -> None:
        """Raises BadCell when more was decoded than the limit, whatever the header said."""
        if seconds > self.limits.seconds:
            raise BadCell(f"more than {self.limits.seconds:,.0f} seconds long, which is the limit (limits.seconds)")

    def check_time(self) -> None:
        """Raises BadCell when decoding this cell has taken too long."""
        if time.monotonic() > self._until:
            raise BadCell(f"decoding took longer than {self.limits.cell_seconds:g} s (limits.cell_seconds)")

    def frames(self, stream: Any) -> Iterator[Any]:
        """Decoded frames of one stream. What cannot be decoded is counted and passed over; a file that breaks off
        ends early."""
        av = need("av", extra="media", to=_TO)
        if not stream.codec_context.is_open:
            stream.codec_context.thread_count = 1  # the workers are the parallel part
        packets = self.handle.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, EOFError):  # what follows cannot be found any more
                self.damaged += 1
                return
            if packet is None:
                return
            self.decoded += 1
            if self.decoded % PACKETS == 0:
                self.check_time()
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self.damaged += 1

    def remark(self, seconds: float, kind: str) -> list[str]:
        """What to say when `seconds` were decoded: the file broke off, or had damaged parts. Raises BadCell when most
        of it was damaged."""
        if self.damaged > max(1, self.decoded // 2):
            raise BadCell(f"the {self.name} file is damaged: {self.damaged:,} of {self.decoded:,} parts unreadable")
        said = self.seconds(kind) if self.name in DECLARING else None
        if said is not None and said - seconds > max(ODD[0] * said, ODD[1]):
            return [f"the file ends after {seconds:.1f} s, its header says {said:.1f} s; what is there is used"]
        if self.lacks:
            return [self.lacks]
        if self.damaged:
            return [f"{self.damaged:,} of {self.decoded:,} parts of the file are damaged; the rest is used"]
        return []


_TO = "read sound and film"


def _lacks(head: bytes, size: int) -> str:
    """What to say of a RIFF file (WAV, AVI) that is shorter than it says: FFmpeg takes it for a short one. 0 and the
    largest number stand for an unknown length."""
    said = int.from_bytes(head[4:8], "little")
    if head[:4] != b"RIFF" or said in (0, 2**32 - 1) or size >= 0.9 * said:
        return ""
    return f"the file has {size:,} of the {said + 8:,} bytes that its header speaks of; what is there is used"


@contextmanager
def opened(cell: Any, root: Path, limits: Limits) -> Iterator[Container]:
    """A container whose header is read, nothing of it decoded; what a cell may be, core/files.py says.

    A file is read piece by piece, never whole. Raises BadCell for everything that goes wrong inside the `with` block.
    """
    av = need("av", extra="media", to=_TO)
    if not isinstance(cell, str | bytes):
        raise BadCell(f"expected the path of a file or its bytes, got {type(cell).__name__}")
    name = "media"
    try:
        with files.open_cell(cell, root, limits.bytes, max_file=limits.stream_bytes) as source:
            size = source.seek(0, io.SEEK_END)
            if not size:
                raise BadCell("the file is empty (zero bytes)")
            start, head = content_start(source)
            source.seek(0)
            found = format_of(head)
            if found is None:
                raise BadCell(f"neither sound nor film, or of an unknown format ({_SAID} are read)")
            name = found.partition(",")[0]
            # The named demuxer sees this one file only: no probing, no other protocol, no file it might refer to.
            handle = av.open(
                Window(source, start, size) if start else source,
                format=found,
                options={"protocol_whitelist": ""},
                metadata_errors="replace",
            )
            with handle:
                source_of = Container(handle, found, limits, lacks=_lacks(head, size))
                if not source_of.streams():
                    raise BadCell(f"the {name} file is damaged or cut off: nothing to see or hear is found in it")
                yield source_of
    except BadCell:
        raise
    except MemoryError as error:
        raise BadCell(f"not enough memory to decode the {name} file") from error
    except (av.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
        raise BadCell(f"the {name} file is of a variant that cannot be read") from error
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise BadCell(f"the {name} file is damaged or cut off: it cannot be read ({_plain(error)})") from error
    except OSError as error:
        raise BadCell(f"the file cannot be read: {error.strerror or error}") from error


_SAID = "WAV, FLAC, Ogg, Opus, MP3, AAC, M4A, MP4, MOV, WebM, Matroska, AVI, AIFF, AU, CAF, AMR, WavPack, FLV, MPEG"


def _plain(error: Exception) -> str:
    """The reason without the content: FFmpeg's own word for the error."""
    return type(error).__name__
