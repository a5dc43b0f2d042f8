"""Which known category a cell means that is written in another form: True for 1, 7 for 007, "red " for Red.

Knows the categories of one column and nothing else: what may be two of them is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

_FLAGS = {
    **dict.fromkeys(("true", "1", "t", "yes", "y", "on", "是", "真", "有"), True),
    **dict.fromkeys(("false", "0", "f", "no", "n", "off", "否", "假", "无"), False),
}
_NUMBER = re.compile(r"([+-]?)0*(\d+?)(?:\.(\d*?)0*)?")


def by_meaning(categories: Iterable[str]) -> dict[object, str]:
    """Meaning -> the one category that has it. What two categories mean, none is chosen for."""
    known = tuple(categories)
    flags = are_flags(known)
    found: dict[object, str] = {}
    shared: set[object] = set()
    for category in known:
        for meaning in meanings(category, flags=flags):
            if found.setdefault(meaning, category) != category:
                shared.add(meaning)
    return {meaning: category for meaning, category in found.items() if meaning not in shared}


def meant(text: str, known: Mapping[object, str], *, flags: bool) -> str | None:
    """The category that a text which is none of them means; None: no single one."""
    found = {known[meaning] for meaning in meanings(text, flags=flags) if meaning in known}
    return found.pop() if len(found) == 1 else None


def flag_of(text: str) -> bool | None:
    """What a word for true or false says; None of any other."""
    return _FLAGS.get(_folded(text))


def are_flags(categories: Iterable[str]) -> bool:
    """Whether a column's categories are words for true and false."""
    words = [flag_of(category) for category in categories]
    return bool(words) and None not in words


def meanings(text: str, *, flags: bool) -> list[object]:
    """What a text may mean: its letters whatever their case and form, a number, a flag."""
    folded = _folded(text)
    found: list[object] = [folded]
    if number := _NUMBER.fullmatch(folded):
        sign, whole, part = number.groups()
        found.append(("number", sign.replace("+", ""), whole, part or ""))
    if flags and folded in _FLAGS:
        found.append(("flag", _FLAGS[folded]))
    return found


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
