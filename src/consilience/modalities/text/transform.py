"""Tokens: how a text is cut, and which cuts have a number. Knows no features and no encoders.

A token is
- a word: a run of letters, digits, underscores and their combining marks, in lower case ("don't" is "don" and "t");
- one character, with its marks, of a script that puts no spaces between words, so "我喜欢it" is 我 喜 欢 it;
- one of ! ? and the pictographs, when `symbols` is chosen.
Everything else separates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice, pairwise

import numpy as np

from consilience.modalities.text.clean import marks

PADDING, UNKNOWN = 0, 1
RESERVED = 2

UNSPACED = (
    "\u3005\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf"  # Thai, Lao
    "\u1000-\u102a\u103f\u1050-\u1055\u1780-\u17b3"  # Burmese, Khmer
)
"""Letters of scripts without spaces between words, as the inside of a regex character class."""

_SYMBOLS = "!?\u2600-\u27bf\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff"
_UNSPACED = re.compile(f"[{UNSPACED}]")


def tokenise(text: str, *, symbols: bool, limit: int | None = None) -> list[str]:
    """The tokens of a cleaned text in order, at most the first `limit` of them; none when there are none."""
    found = _pattern(symbols).finditer(text.lower())
    return [match.group() for match in islice(found, limit)]


def has_unspaced(text: str) -> bool:
    return _UNSPACED.search(text) is not None


@lru_cache(maxsize=2)
def _pattern(symbols: bool) -> re.Pattern[str]:
    # The runs inside the second alternative cannot overlap (a mark is no \w), so matching stays linear.
    word = rf"(?:[^\W{UNSPACED}]+[{marks()}]*)+"
    return re.compile(rf"{word}|[{UNSPACED}][{marks()}]*" + (f"|[{_SYMBOLS}]" if symbols else ""))


class Vocabulary:
    """Distinct strings numbered from 0 in a fixed order."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = tuple(entries)
        self.number = {entry: number for number, entry in enumerate(self.entries)}

    def __len__(self) -> int:
        return len(self.entries)

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """Token ids for an encoder: 0 is padding, 1 is unknown. A text without tokens is one unknown token."""
        return [self.number.get(token, UNKNOWN - RESERVED) + RESERVED for token in tokens] or [UNKNOWN]

    def arrays(self) -> dict[str, np.ndarray]:
        """UTF-8 bytes end to end [N] uint8, and where each entry starts [entries + 1] int64."""
        encoded = [entry.encode("utf-8") for entry in self.entries]
        offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return {"bytes": np.frombuffer(b"".join(encoded), np.uint8), "offsets": offsets}

    @classmethod
    def from_arrays(cls, text: np.ndarray, offsets: np.ndarray) -> Vocabulary:
        content = text.tobytes()
        return cls(content[start:end].decode("utf-8") for start, end in pairwise(offsets.tolist()))


def most_frequent(counts: Mapping[str, float], *, at_least: float, at_most: int) -> list[str]:
    """The entries with the largest counts, in the order of the alphabet, which also decides between equal counts."""
    kept = {entry: count for entry, count in counts.items() if count >= at_least}
    if len(kept) > at_most:
        # Only the entries at the threshold need sorting: there can be millions.
        amounts = np.fromiter(kept.values(), np.float64, len(kept))
        threshold = np.partition(amounts, len(kept) - at_most)[len(kept) - at_most]
        above = [entry for entry, count in kept.items() if count > threshold]
        equal = sorted(entry for entry, count in kept.items() if count == threshold)
        return sorted(above + equal[: at_most - len(above)])
    return sorted(kept)
