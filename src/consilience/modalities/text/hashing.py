"""Hashed features: every run of words or characters has a column from its spelling alone. Nothing is learned or stored.

K. Weinberger et al.: Feature hashing for large scale multitask learning, ICML 2009: the column is a hash of the run,
and another bit of the hash its sign, so that runs that share a column cancel out rather than add up. CRC-32 of UTF-8 is
the same in every process, on every machine, whatever Python's hash seed.

Weights of a text: 1 + ln tf, scaled to length 1 in each kind of run; there is no idf, for there are no counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import overload
from zlib import crc32

import numpy as np

from consilience.modalities.text.features import Entries, Grams

_SIGN = 1 << 31


class Hashed:
    """One block of features of all kinds of runs together: `width` columns."""

    def __init__(self, grams: Mapping[str, Grams], width: int) -> None:
        self.width, self.names = width, Numbered("hashed runs, column {}", width)
        # The same spelling as a word and as a run of characters are two runs.
        self._grams = [(crc32(kind.encode()), cut) for kind, cut in grams.items()]

    def entries(self, documents: Sequence[Sequence[str]]) -> Entries:
        """The non-zero features of tokenised texts; each text's depend on that text alone."""
        place: list[int] = []
        value: list[float] = []
        for row, tokens in enumerate(documents):
            for salt, cut in self._grams:
                codes, weights = _weighed(Counter(cut(tokens)), salt)
                place += [row * self.width + (code & (_SIGN - 1)) % self.width for code in codes]
                value += weights
        cell, which = np.unique(np.array(place, np.int64), return_inverse=True)
        sums = np.bincount(which, np.array(value, np.float64), len(cell)).astype(np.float32)
        there = sums != 0  # runs that cancelled out
        return cell[there] // self.width, cell[there] % self.width, sums[there]


def _weighed(counts: Counter[str], salt: int) -> tuple[list[int], list[float]]:
    """Hash and signed weight of each run of a text; the squares of the weights add up to 1."""
    codes = [crc32(gram.encode(), salt) for gram in counts]
    weights = [1 + math.log(tf) for tf in counts.values()]
    length = math.sqrt(math.fsum(weight * weight for weight in weights)) or 1.0
    return codes, [(-w if code & _SIGN else w) / length for code, w in zip(codes, weights, strict=True)]


class Numbered(Sequence[str]):
    """`count` names that differ in a number, made when asked for: there may be millions."""

    def __init__(self, pattern: str, count: int) -> None:
        self._pattern, self._count = pattern, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return [self._pattern.format(i) for i in range(self._count)[place]]
        return self._pattern.format(range(self._count)[place])
