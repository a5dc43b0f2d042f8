"""What a text is like, whatever it says: how long it is, and which kinds of characters it is made of.

Runs of words in lower case cannot tell that a review shouts, that a name is short or that a message is mostly digits; a
few numbers can. Nothing is learned, and the numbers of a text depend on that text alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from unicodedata import category

import numpy as np

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
_COUNT = 8
_KINDS = np.zeros(0x110000, np.uint8)
"""The kind of every character that was met so far; 0: not met."""
_SPAN = 1_000_000
"""Characters laid out at once, but for a single longer text."""


def measure(texts: Sequence[str | None]) -> np.ndarray:
    """[U, len(NAMES)] float32; zeros where there is no text or nothing in it."""
    parts = [_measure(span) for span in _spans(texts)]
    return np.concatenate([np.zeros((0, len(NAMES)), np.float32), *parts])


def _measure(texts: Sequence[str]) -> np.ndarray:
    lengths = np.array([len(text) for text in texts])
    owner = np.repeat(np.arange(len(texts)), lengths)
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _kinds(codes)
    counts = np.bincount(owner * _COUNT + kinds, minlength=len(texts) * _COUNT).reshape(-1, _COUNT)
    # A word begins where a letter or digit does not follow one of the same text, nor a mark on one.
    within = (kinds == _DIGIT) | (kinds == _CAPITAL) | (kinds == _LETTER)
    goes_on = np.zeros(len(kinds), bool)
    goes_on[1:] = (within | (kinds == _MARK))[:-1] & (owner[1:] == owner[:-1])
    words = np.bincount(owner[within & ~goes_on], minlength=len(texts)) + counts[:, _SIGN]
    written = counts[:, _DIGIT:].sum(1)
    shares = counts[:, [_CAPITAL, _DIGIT, _SYMBOL]] / np.maximum(lengths, 1)[:, None]
    columns = [_log(lengths), _log(words), written / np.maximum(words, 1), *shares.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _spans(texts: Sequence[str | None]) -> Iterator[list[str]]:
    """Texts one after the other, as many at once as `_SPAN` allows."""
    span: list[str] = []
    held = 0
    for text in texts:
        text = text or ""
        if span and held + len(text) > _SPAN:
            yield span
            span, held = [], 0
        span.append(text)
        held += len(text)
    if span:
        yield span


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
    if character.isnumeric():
        return _DIGIT
    if character.isupper() or character.istitle():
        return _CAPITAL
    return _LETTER if character.isalpha() else _SYMBOL
