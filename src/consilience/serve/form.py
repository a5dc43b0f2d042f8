"""multipart/form-data -> rows. Works on the whole body, which is within its limit by then; knows no model.

One row: a part per column. Many rows: every column given the same number of times, in the order of the rows. An empty
part is a missing value, files (parts with a file name) are bytes as they are, everything else is UTF-8 text.
"""

from __future__ import annotations

from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from consilience.serve.errors import Malformed, TooLarge

_ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))
"""How browsers write these in the name of a part."""


def rows(content: bytes, content_type: str, *, most: int) -> list[dict[str, Any]]:
    """The rows of a form of at most `most` parts. Raises Malformed, TooLarge."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Malformed("multipart/form-data without a boundary")
    parts = _Parts(most)
    try:
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
        parser.write(content)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise Malformed("the form cannot be read: its parts do not follow the form of multipart/form-data") from error
    if not parts.ended:
        raise Malformed("the form is cut off: its closing boundary is missing")
    return _aligned(parts.columns)


def _aligned(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    counts = {column: len(values) for column, values in columns.items()}
    if len(set(counts.values())) > 1:
        low, high = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        raise Malformed(
            f"{low[:100]} is given {_times(counts[low])} and {high[:100]} {_times(counts[high])}: give every column "
            "once for each row, an empty part where a value is missing",
            field=low[:100],
        )
    size = max(counts.values(), default=1)
    return [{column: values[r] for column, values in columns.items()} for r in range(size)]


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


class _Parts:
    """What the parser calls, and what it has found: values by column, in order."""

    def __init__(self, most: int) -> None:
        self.columns: dict[str, list[Any]] = {}
        self.ended = False
        self._left = most
        self._header, self._value, self._about = b"", b"", b""
        self._data: list[bytes] = []

    def callbacks(self) -> dict[str, Any]:
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "end")
        return {f"on_{name}": getattr(self, name) for name in names}

    def part_begin(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooLarge("the form has too many parts; send fewer rows at once")
        self._header, self._value, self._about, self._data = b"", b"", b"", []

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._about = self._value
        self._header, self._value = b"", b""

    def part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def part_end(self) -> None:
        options = parse_options_header(self._about)[1]
        if b"name" not in options:
            raise Malformed("a part of the form has no name")
        try:
            column = options[b"name"].decode()
        except UnicodeDecodeError as error:
            raise Malformed("the name of a part of the form is not UTF-8") from error
        for written, meant in _ESCAPES:
            column = column.replace(written, meant)
        raw = b"".join(self._data)
        content: bytes | str = raw
        if b"filename" not in options:
            try:
                content = raw.decode()
            except UnicodeDecodeError as error:
                raise Malformed(f"{column[:100]}: not UTF-8 text", field=column[:100]) from error
        self.columns.setdefault(column, []).append(content or None)

    def end(self) -> None:
        self.ended = True
