"""What a file really is, by its first bytes, whatever it is called. Reads nothing else of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD = 512
"""Bytes that are looked at."""


@dataclass(frozen=True, kw_only=True)
class Content:
    name: str
    """As a sentence goes on after "it is"."""
    ending: str = ""
    """Of files of this kind that are read; empty: none are."""
    advice: str = "export it as CSV or Parquet"


GZIP = b"\x1f\x8b"
_PARQUET = Content(name="a Parquet file", ending=".parquet")
_MAGIC: tuple[tuple[bytes, Content], ...] = (
    (b"PAR1", _PARQUET),
    (GZIP, Content(name="packed with gzip", ending=".gz")),
    (b"PK\x03\x04", Content(name="an Excel workbook or another ZIP archive", advice="save the sheet as CSV (UTF-8)")),
    (b"\xd0\xcf\x11\xe0", Content(name="an old Excel workbook", advice="save the sheet as CSV (UTF-8)")),
    (b"BZh", Content(name="packed with bzip2", advice="unpack it first: bunzip2 FILE")),
    (b"\xfd7zXZ\x00", Content(name="packed with xz", advice="unpack it first: unxz FILE")),
    (b"\x28\xb5\x2f\xfd", Content(name="packed with zstd", advice="unpack it first: unzstd FILE")),
    (b"7z\xbc\xaf", Content(name="a 7-Zip archive", advice="unpack it first")),
    (b"Rar!", Content(name="a RAR archive", advice="unpack it first")),
    (b"SQLite format 3\x00", Content(name="an SQLite database", advice="export the table as CSV")),
    (b"ARROW1", Content(name="an Arrow (Feather) file", advice="convert it: pandas.read_feather(FILE).to_parquet(…)")),
    (b"FEA1", Content(name="an old Feather file", advice="convert it: pandas.read_feather(FILE).to_parquet(…)")),
    (b"\x93NUMPY", Content(name="a NumPy array", advice="give it names for its columns and save it as CSV")),
    (b"\x89HDF", Content(name="an HDF5 file", advice="export the table as CSV or Parquet")),
    (b"%PDF", Content(name="a PDF document")),
    (b"version https://git-lfs", Content(name="a Git LFS pointer, not the file itself", advice="git lfs pull")),
    *((bytes((128, n)), Content(name="a Python pickle, which is never opened")) for n in range(2, 6)),
)
_PAGES = (b"<!doctype html", b"<html", b"<?xml")


def content_of(path: Path) -> Content | None:
    """What the file is, where its first bytes say so and it is no plain text. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    for magic, content in _MAGIC:
        if head.startswith(magic):
            return content
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        return Content(name="a page of HTML or XML, perhaps a log-in page", advice="download the table itself again")
    return None


def is_plain(path: Path) -> bool:
    """Whether it reads as UTF-8 without NUL bytes, as far as it is looked at. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    try:
        head[: max(0, len(head) - 3)].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.end >= len(head) - 6
    return b"\0" not in head and bool(head)
