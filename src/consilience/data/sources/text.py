"""Text files as streams of lines, packed with gzip or not, and what is wrong with one that is not in its encoding."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from consilience.core.errors import DataError
from consilience.data.sources.content import GZIP, mark_of


def is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def codec_of(path: Path, encoding: str) -> str:
    """UTF-8 with or without a byte order mark is one encoding to a user, and so is UTF-16 that declares itself."""
    if not is_utf8(encoding):
        return encoding
    with open_binary(path) as file:
        try:
            return mark_of(file.read(4)) or "utf-8-sig"
        except (EOFError, OSError, zlib.error):  # a damaged gzip file: told of by who reads it
            return "utf-8-sig"


def is_packed(path: Path) -> bool:
    """Whether a file is packed with gzip, whatever it is called."""
    with path.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


def open_binary(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if is_packed(path) else path.open("rb")


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """The file's text, line ends as they are. Raises DataError for whatever it is that keeps it from being text."""
    codec = codec_of(path, encoding)
    try:
        if is_packed(path):
            with gzip.open(path, "rt", encoding=codec, newline="") as packed:
                yield cast(TextIO, packed)
        else:
            with path.open(encoding=codec, newline="") as file:
                yield file
    except UnicodeDecodeError as error:
        raise DataError(_not_decodable(path, codec)) from error
    except (LookupError, UnicodeError) as error:
        raise DataError(f"{path}: cannot be read as {encoding!r}: {error}") from error
    except EOFError as error:
        raise DataError(f"{path}: the gzip file is cut off; fetch or write it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: not a gzip file, or a damaged one: {error}") from error


def _not_decodable(path: Path, codec: str) -> str:
    """Where the file stops being text in `codec`: only looked for once it is known that it does."""
    offset, line = 0, 1
    with open_binary(path) as file:
        content = file.read()
    try:
        content.decode(codec)
    except UnicodeDecodeError as error:
        offset = error.start + (3 if codec == "utf-8-sig" and content.startswith(b"\xef\xbb\xbf") else 0)
        line = content[:offset].count(b"\n") + 1
    where = f"{path}, line {line}, byte {offset}"
    if codec != "utf-8-sig":
        return f"{where}: the file is not {codec}, or cut off; give its real encoding, or save it as UTF-8"
    guess = _guess(content)
    return (
        f"{where}: the file is not UTF-8; it may be {guess} (a guess). Save it as UTF-8, for example with "
        f"`iconv -f {guess} -t UTF-8`; in Python, consilience.data.sources.read(path, encoding={guess!r}) reads it"
    )


def _guess(content: bytes) -> str:
    """A hint for the message only; nothing is ever read by it."""
    try:
        text = content[:1_000_000].decode("gb18030", errors="strict" if len(content) <= 1_000_000 else "ignore")
    except UnicodeDecodeError:
        return "Latin-1"
    foreign = [c for c in text if ord(c) > 127]
    # Signs in use have two bytes above 160; an accented letter and the plain one behind it make a rare sign as well.
    signs = sum("\u4e00" <= c <= "\u9fff" and min(c.encode("gb18030")) > 0xA0 for c in foreign)
    return "GB18030" if signs > len(foreign) / 2 else "Latin-1"
