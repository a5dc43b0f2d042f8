"""What a file really is, by its first bytes, whatever it is called. Reads nothing else of it, and looks at the first
bytes of what gzip has packed.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

HEAD = 512
"""Bytes that are looked at."""
GZIP = b"\x1f\x8b"
MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks, the longer first: the encoding each is the beginning of."""


@dataclass(frozen=True, kw_only=True)
class Content:
    name: str
    """As a sentence goes on after "it is"."""
    ending: str = ""
    """That of files of this kind which are read; empty: none are."""
    advice: str = "export the table as CSV (UTF-8) or Parquet"


TEXT = Content(name="plain text", advice="call a CSV .csv")
LINES = Content(name="JSON Lines", ending=".jsonl")
PARQUET = Content(name="a Parquet file", ending=".parquet")
TAR = Content(name="a tar archive", ending=".tar", advice="call WebDataset shards .tar, and unpack anything else first")
OTHER = Content(name="binary data that nothing here recognises")
UTF16 = Content(name="text in UTF-16 without a byte order mark", advice="save it as UTF-8: iconv -f {} -t UTF-8 FILE")
LIST = Content(
    name="one JSON list",
    advice='write each object of it on a line of its own: pandas.read_json(FILE).to_json("table.jsonl", '
    'orient="records", lines=True)',
)
_PAGE = Content(name="a page of HTML or XML, perhaps a log-in page or an error", advice="download the table itself")
_EXCEL = Content(name="an Excel workbook or another ZIP archive", advice="save the sheet as CSV (UTF-8)")
_FEATHER = Content(name="an Arrow (Feather) file", advice="convert it: pandas.read_feather(FILE).to_parquet(…)")
_MEDIA = Content(name="a PNG, JPEG or GIF", advice="a table has its path in a cell")
_PANDAS = "convert it: pandas.read_{}(FILE).to_parquet(…)"
_UNPACK = "unpack it first: {} FILE"
_R = Content(name="a file of R", advice="in R: write.csv(…, row.names=FALSE)")

_SIGNATURES: tuple[tuple[int, bytes, Content], ...] = (
    (0, b"PAR1", PARQUET),
    (257, b"ustar", TAR),
    (0, b"PK\x03\x04", _EXCEL),
    (0, b"PK\x05\x06", Content(name="an empty ZIP archive")),
    (0, b"\xd0\xcf\x11\xe0", Content(name="an old Excel workbook", advice="save the sheet as CSV (UTF-8)")),
    (0, b"BZh", Content(name="packed with bzip2", advice=_UNPACK.format("bunzip2"))),
    (0, b"\xfd7zXZ\0", Content(name="packed with xz", advice=_UNPACK.format("unxz"))),
    (0, b"\x5d\0\0", Content(name="packed with lzma", advice=_UNPACK.format("unlzma"))),
    (0, b"\x28\xb5\x2f\xfd", Content(name="packed with zstd", advice=_UNPACK.format("unzstd"))),
    (0, b"\x04\x22\x4d\x18", Content(name="packed with lz4", advice=_UNPACK.format("unlz4"))),
    (0, b"7z\xbc\xaf", Content(name="a 7-Zip archive", advice="unpack it first")),
    (0, b"Rar!", Content(name="a RAR archive", advice="unpack it first")),
    (0, b"SQLite format 3\0", Content(name="an SQLite database")),
    (8, b"DUCK", Content(name="a DuckDB database")),
    (0, b"\0\1\0\0Standard ", Content(name="an Access database")),
    (0, b"ARROW1", _FEATHER),
    (0, b"FEA1", _FEATHER),
    (0, b"\xff\xff\xff\xff", Content(name="a stream of Arrow", advice="write it with pyarrow.parquet.write_table")),
    (0, b"ORC", Content(name="an ORC file", advice=_PANDAS.format("orc"))),
    (0, b"Obj\x01", Content(name="an Avro file")),
    (0, b"\x93NUMPY", Content(name="a NumPy array", advice="give its columns names and save it as CSV")),
    (0, b"\x89HDF", Content(name="an HDF5 file", advice=_PANDAS.format("hdf"))),
    (0, b"MATLAB 5.0", Content(name="a MATLAB file")),
    (0, b"$FL2", Content(name="an SPSS file", advice=_PANDAS.format("spss"))),
    (12, b"\xc2\xea\x81\x60", Content(name="a SAS file", advice=_PANDAS.format("sas"))),
    (0, b"RDX", _R),
    (0, b"X\n\0\0\0", _R),
    (0, b"\x89PNG", _MEDIA),
    (0, b"\xff\xd8\xff", _MEDIA),
    (0, b"GIF8", _MEDIA),
    *(
        (0, bytes((128, n)), Content(name="a Python pickle, which is never opened", advice="write it as Parquet"))
        for n in range(2, 6)
    ),
)
"""Where it stands, the signature, and whose it is. Many are letters that a CSV may begin with: they count in what is no
text."""
_TEXTS: tuple[tuple[bytes, Content], ...] = (
    (b"%PDF-", Content(name="a PDF document")),
    (b"{\\rtf", Content(name="an RTF document")),
    (b"<stata_dta>", Content(name="a Stata file", advice=_PANDAS.format("stata"))),
    (b"version https://git-lfs", Content(name="a Git LFS pointer, not the file itself", advice="git lfs pull")),
    (b"/annex/objects/", Content(name="a git-annex pointer, not the file itself", advice="git annex get FILE")),
)
"""The same of what is text, or may begin like it."""
_MARKUP = re.compile(rb"\s*<(!doctype|!--|\?xml|(html|head|body|table)\b|\w+[^<>,;\t]*>\s*<)", re.IGNORECASE)
_OBJECT = re.compile(rb'\s*\{\s*("[^"\\]{0,200}(\\.[^"\\]{0,200})*"\s*(:|$)|\}|$)')
_LIST_OF = re.compile(rb"\s*\[\s*([\[{]|$)")
_FORMS = ((_MARKUP, _PAGE), (_OBJECT, LINES), (_LIST_OF, LIST))
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\f\r\x1b")


def content_of(path: Path) -> Content:
    """What the file holds, or what gzip has packed in it. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        if head.startswith(GZIP):
            file.seek(0)
            head = _unpacked(file)
    return _of(head)


def mark_of(head: bytes) -> str | None:
    """The encoding that a byte order mark other than that of UTF-8 declares; None where there is none."""
    return next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), None)


def _unpacked(file: BinaryIO) -> bytes:
    """The beginning of what is packed; as much as can be read of a file that is damaged or cut off."""
    try:
        with gzip.open(file) as packed:
            return packed.read(HEAD)
    except (EOFError, OSError, zlib.error):
        return b""


def _of(head: bytes) -> Content:
    for signature, content in _TEXTS:
        if head.startswith(signature):
            return content
    controls = len(head) - len(head.translate(None, _CONTROLS))
    whole = _is_utf8(head)
    if controls or not whole:
        for place, signature, content in _SIGNATURES:
            if head.startswith(signature, place):
                return content
    if mark_of(head):
        return TEXT
    first, second = head[::2].count(0), head[1::2].count(0)
    if first + second > len(head) // 4:  # no text in UTF-8; in UTF-16, always the same half of most characters is zero
        if min(first, second) > max(first, second) // 8:
            return OTHER
        return replace(UTF16, advice=UTF16.advice.format("UTF-16BE" if first > second else "UTF-16LE"))
    if controls > len(head) // 50 and not whole:
        return OTHER
    text = head.removeprefix(b"\xef\xbb\xbf")
    found = (content for pattern, content in _FORMS if pattern.match(text))
    return next(found, TEXT) if text.strip() else TEXT


def _is_utf8(head: bytes) -> bool:
    """As far as it goes: a character may be cut off at its end."""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True
