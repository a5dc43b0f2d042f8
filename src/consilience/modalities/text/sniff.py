"""Is a column free text? Judged by its cells' own characters; no file is opened.

A strong claim needs several words per cell, a medium one many different short texts. Few short values that repeat are
rather a category: the claim is then weak, so that a modality that knows categories wins.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from consilience.core.errors import BadCell
from consilience.modalities.base import ColumnSample, Evidence
from consilience.modalities.text.load import as_text
from consilience.modalities.text.transform import UNSPACED

_NUMBER = re.compile(r"[\s$€£¥(+-]*\d[\d.,'\s]*(e[+-]?\d+)?\s*[%‰$€£¥)]?", re.IGNORECASE)
_DATE = re.compile(r"[a-z\d\s/.:,+-]*\d[a-z\d\s/.:,+-]*", re.IGNORECASE)
_LETTERS = re.compile(r"[a-z]+")
_IN_DATES = """
january february march april may june july august september october november december
jan feb mar apr jun jul aug sep sept oct nov dec am pm t z utc gmt st nd rd th of at h
monday tuesday wednesday thursday friday saturday sunday mon tue tues wed weds thu thur thurs fri sat sun
"""
_DATE_WORDS = frozenset(_IN_DATES.split())
_FILE = re.compile(
    r"(\w{2,8}://\S+|.*[\\/].*\.\w{1,5}"
    r"|.*\.(png|jpe?g|jfif|gif|bmp|webp|tiff?|ico|svg|avif|heic|ppm|pgm|wav|mp3|flac|ogg|opus|m4a|aac"
    r"|mp4|m4v|avi|mov|mkv|webm|mpe?g|npy|npz|pdf|dcm|txt|md|html?|json|csv))",
    re.IGNORECASE | re.DOTALL,
)
_NOTHING = {"", "-", "--", "?", ".", "n/a", "na", "nan", "none", "null", "nil", "unknown", "missing"}
_CHARACTER = re.compile(f"[{UNSPACED}]")
_WORD = re.compile(rf"[^\W{UNSPACED}]")

LOOK = 2_000
"""Characters of each cell that words are counted in."""
SEVERAL = 3
"""Words per cell from which a column is surely written text."""
FEW = 20
"""Distinct values up to which even values of a few words may be names of categories."""


def sniff(column: ColumnSample) -> Evidence | None:
    """The claim of text on a column: about 0.8 for written text, 0.65 for short texts, 0.4 for what looks like a
    category, each less the cells that are no text; none when most cells are numbers, dates or files."""
    if column.numeric:
        return None
    cells, texts = _texts(column)
    if not texts or 2 * len(texts) < len(cells):
        return None
    counts = Counter(texts)  # what is asked of a text is asked once, however often it occurs
    distinct = len(counts)
    words = sum(count_words(text[:LOOK]) * often for text, often in counts.items()) / len(texts)
    figures = f"{words:.1f} words per cell, {_different(distinct, len(texts))}"
    if _repeats(counts, len(texts)):
        strength, reason = 0.4, f"few short values that repeat: {figures}"
    elif words >= SEVERAL:
        strength, reason = 0.75 + 0.15 * min(1.0, (words - SEVERAL) / 7), f"written text: {figures}"
    else:
        strength, reason = 0.65, f"short texts: {figures}"
    share = len(texts) / len(cells)
    if share < 1:
        reason += f"; {100 * (1 - share):.0f} % of the cells are numbers, dates or files"
    return Evidence(strength=strength * share, reason=reason, kind="text")


def hint(column: ColumnSample) -> str | None:
    """Of a column in which most cells are no text: how to read it as text all the same."""
    cells, texts = _texts(column)
    if not texts:
        return None
    return f"{len(texts):,} of {len(cells):,} cells are texts: read all as words with {column.as_input('text')}"


def _texts(column: ColumnSample) -> tuple[list[str | None], list[str]]:
    """The cells that say something, None where one is no string; and those of them that are neither number, date nor
    file."""
    kinds = set(map(type, column.cells))
    # What most columns hold; of them as_text makes nothing else.
    found = map(str.strip, column.cells) if kinds == {str} else map(_string, column.cells)
    strings = [None if text is not None and "\0" in text else text for text in found]
    nothing = {text for text in set(strings) if text is not None and text.lower() in _NOTHING}
    cells = [text for text in strings if text not in nothing]
    written = {text for text in set(cells) if text is not None and not _is_other(text)}
    return cells, [text for text in cells if text is not None and text in written]


def count_words(text: str) -> int:
    """Words between spaces, where every character of a script without spaces counts as one."""
    return len(_CHARACTER.findall(text)) + sum(_WORD.search(piece) is not None for piece in text.split())


def _repeats(counts: Mapping[str, int], cells: int) -> bool:
    """Whether the values look like names of categories: few for the number of cells, and short."""
    distinct = len(counts)
    if 2 * distinct > cells:
        return False
    # Two characters of Chinese say about as much as one word of English.
    looks = ((text[:LOOK], often) for text, often in counts.items())
    short = sum((count_words(text) - len(_CHARACTER.findall(text)) / 2) * often for text, often in looks) / cells
    if distinct <= FEW:
        return 2 * distinct <= cells and short <= SEVERAL + 1
    return 5 * distinct <= cells and short <= 2


def _is_other(text: str) -> bool:
    if len(text) <= 1024 and len(text.split()) <= 8 and _FILE.fullmatch(text):
        return True  # a longer one is a sentence that names a file
    # Longer ones are no numbers and no dates, and matching stays quick.
    return len(text) <= 50 and (_NUMBER.fullmatch(text) is not None or _is_date(text))


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _DATE_WORDS.issuperset(_LETTERS.findall(text.lower()))


def _string(value: Any) -> str | None:
    """The cell as text; None for what is neither a string nor bytes that hold one."""
    try:
        text = as_text(value).strip() if isinstance(value, str | bytes) else None
    except BadCell:
        return None
    return None if text and "\0" in text else text


def _different(distinct: int, cells: int) -> str:
    return "all different" if distinct == cells > 1 else f"{distinct:,} different among {cells:,}"
