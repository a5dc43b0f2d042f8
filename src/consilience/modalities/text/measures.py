"""What a text is like, whatever it says: how long it is, and which kinds of characters it is made of.

Runs of words in lower case cannot tell that a review shouts, that a name is short or that a message is mostly digits; a
few numbers can. Nothing is learned, and the numbers of a text depend on that text alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from unicodedata import category

import numpy as np

from consilience.modalities.text.spans import spans
from consilience.modalities.text.transform import has_unspaced

NAMES = (
    "log of characters",
    "log of words",
    "characters per word",
    "share of capitals",
    "share of digits",
    "share of symbols",
)

_SPACE, _SYMBOL, _DIGIT, _CAPITAL, _LETTER, _SIGN, _MARK = range(1, 8)
"""Kinds of characters. A sign is a letter of a script without spaces between words: a word of its own."""
_KINDS = np.zeros(0x110000, np.uint8)
"""The kind of every character that was met so far; 0: not met."""


def measure(texts: Sequence[str | None]) -> np.ndarray:
    """[U, len(NAMES)] float32; zeros where there is no text or nothing in it."""
    parts = [_measure(span) for span in spans(texts)]
    return np.concatenate([np.zeros((0, len(NAMES)), np.float32), *parts])


def _measure(texts: Sequence[str | None]) -> np.ndarray:
    lengths = np.array([len(text or "") for text in texts])
    owner = np.repeat(np.arange(len(texts)), lengths)
    joined = "".join(text or "" for text in texts)
    kinds = _kinds(np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32))
    # A mark belongs to the character it stands on; words are cut as `tokenise` cuts them.
    base = np.maximum.accumulate(np.where(kinds == _MARK, 0, np.arange(len(kinds))))
    of_a_word = (kinds == _DIGIT) | (kinds == _CAPITAL) | (kinds == _LETTER)
    goes_on = np.zeros(len(kinds), bool)
    goes_on[1:] = of_a_word[base[:-1]] & (owner[base[:-1]] == owner[1:])
    written = (of_a_word | (kinds == _SIGN))[base] & (owner[base] == owner)

    def count(which: np.ndarray) -> np.ndarray:
        return np.bincount(owner[which], minlength=len(texts))

    words = count((of_a_word & ~goes_on) | (kinds == _SIGN))
    shares = [count(kinds == kind) / np.maximum(lengths, 1) for kind in (_CAPITAL, _DIGIT, _SYMBOL)]
    columns = [_log(lengths), _log(words), count(written) / np.maximum(words, 1), *shares]
    return np.stack(columns, axis=1).astype(np.float32)


def _log(counts: np.ndarray) -> np.ndarray:
    """log(1 + n), once per distinct count: that of a whole array may round differently from place to place."""
    distinct, which = np.unique(counts, return_inverse=True)
    return np.array([math.log1p(n) for n in distinct.tolist()])[which]


def _kinds(codes: np.ndarray) -> np.ndarray:
    kinds = _KINDS[codes]
    if not kinds.all():
        for code in np.unique(codes[kinds == 0]).tolist():
            _KINDS[code] = _kind(chr(code))
        kinds = _KINDS[codes]
    return kinds


def _kind(character: str) -> int:
    if character.isspace():
        return _SPACE
    if category(character).startswith("M"):
        return _MARK
    if has_unspaced(character):
        return _SIGN
    if character.isalpha():
        return _CAPITAL if character.isupper() or character.istitle() else _LETTER
    if character.isnumeric():
        return _DIGIT
    return _LETTER if character == "_" else _SYMBOL
