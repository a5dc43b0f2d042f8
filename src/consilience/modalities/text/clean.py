"""From a string as it was stored to one that can be compared: NFKC, no control characters, single spaces.

Knows nothing of tables, tokens or languages. Cleaning twice is cleaning once.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_INVISIBLE = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls that are not white space
    "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"  # soft hyphen, zero-width, direction marks
    "\ud800-\udfff"  # halves of characters: no encoding can write them
)
_REMOVED = re.compile(f"[{_INVISIBLE}]+")
_SPACE = re.compile(r"\s+")
_VISIBLE = re.compile(rf"[^\s{_INVISIBLE}]")


def clean(text: str) -> str:
    """The text in Unicode NFKC, without control and invisible characters, white space collapsed and stripped."""
    text = _REMOVED.sub("", text)
    if not text.isascii():
        # Python's normalisation takes quadratic time in runs of combining marks (a minute for 100,000 of them), so
        # runs are cut the way the "stream-safe text format" of Unicode (UAX #15, section 13) bounds them.
        cut = _long_runs()
        text = unicodedata.normalize("NFKC", cut.sub(r"\1", text))
        text = cut.sub(r"\1", text)  # one mark can become several
    return _SPACE.sub(" ", text).strip()


def is_visible(text: str) -> bool:
    """Whether anything is left of the text after cleaning."""
    return _VISIBLE.search(text) is not None


@lru_cache(maxsize=1)
def marks() -> str:
    """All combining marks as the inside of a regex character class: Python's \\w leaves them out, which would cut
    words of Hindi, Thai and many others into pieces."""
    return _ranges([code for code in _CODES if unicodedata.category(chr(code))[0] == "M"])


@lru_cache(maxsize=1)
def _long_runs() -> re.Pattern[str]:
    # Decomposed, one character can bring several combining ones, hence every character that is not a starter.
    codes = [code for code in _CODES if unicodedata.combining(unicodedata.normalize("NFKD", chr(code))[0])]
    return re.compile(f"([{_ranges(codes)}]{{30}})[{_ranges(codes)}]+")


# No combining mark lies elsewhere; the last block holds the variants of ideographs.
_CODES = [*range(0x300, 0xAC00), *range(0xF900, 0x1F000), *range(0xE0100, 0xE01F0)]


def _ranges(codes: list[int]) -> str:
    out, start = [], codes[0]
    for code, following in zip(codes, [*codes[1:], -1], strict=True):
        if following != code + 1:
            out.append(f"\\U{start:08x}-\\U{code:08x}")
            start = following
    return "".join(out)
