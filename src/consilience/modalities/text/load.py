"""From the raw cells of one row to one clean string. Knows the table's raw types and no tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from consilience.core.errors import BadCell
from consilience.core.limits import Limits
from consilience.modalities.base import is_blank
from consilience.modalities.text.clean import clean, is_visible


def is_missing(value: Any) -> bool:
    """Whether one raw value holds no text: blank, or nothing but white space and invisible characters."""
    if is_blank(value):
        return True
    try:
        return not is_visible(as_text(value))
    except BadCell:
        return False


def load(cell: tuple[Any, ...], columns: Sequence[str], limits: Limits) -> tuple[str | None, list[str]]:
    """The cleaned texts of the cell's columns, one per line, and a remark on each column that could not be read.

    None when nothing was there. Raises BadCell: no column could be read, or the text is too long.
    """
    lines, remarks = [], []
    for position, value in enumerate(cell):
        if is_blank(value):
            continue
        try:
            text = as_text(value)
        except BadCell as error:
            name = columns[position] if position < len(columns) else f"text {position + 1}"
            remarks.append(error.reason if len(cell) == 1 else f"{name}: {error.reason}")
            continue
        if len(text) > limits.characters:
            raise BadCell(f"{len(text):,} characters; the limit is {limits.characters:,} (limits.characters)")
        lines.append(clean(text))
    text = "\n".join(filter(None, lines))
    if len(text) > limits.characters:  # together, or grown: one ligature can be eighteen letters
        raise BadCell(f"{len(text):,} characters; the limit is {limits.characters:,} (limits.characters)")
    if remarks and not text:
        raise BadCell("; ".join(remarks))
    return text or None, remarks


def as_text(value: Any) -> str:
    """One raw value as a string. Raises BadCell: bytes that are not UTF-8, lists."""
    if isinstance(value, list | tuple | dict):
        raise BadCell(f"a {type(value).__name__ if isinstance(value, dict) else 'list'} is no text")
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadCell(f"the bytes are not UTF-8 text (at byte {error.start})") from error
