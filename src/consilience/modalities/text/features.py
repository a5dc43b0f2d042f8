"""TF-IDF of runs of words and runs of characters: sparse features for classic learners. Knows no learner.

Weights of a text: (1 + ln tf) * idf with idf = ln((1 + n) / (1 + df)) + 1, scaled to length 1 in each block, where df
and n count training rows (G. Salton, C. Buckley: Term-weighting approaches in automatic text retrieval, 1988).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from consilience.core.sparse import CSR
from consilience.modalities.text.config import Config
from consilience.modalities.text.transform import Vocabulary, has_unspaced, most_frequent

Grams = Callable[[Sequence[str]], list[str]]
"""From the tokens of a text to its runs, as often as they occur."""
Entries = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Row, column and value of the non-zero features of some texts, by row, then column."""


def word_grams(tokens: Sequence[str], *, longest: int) -> list[str]:
    """Runs of 1 to `longest` tokens, joined by a space."""
    out = list(tokens)
    for n in range(2, longest + 1):
        out.extend(map(" ".join, zip(*(tokens[i:] for i in range(n)), strict=False)))
    return out


def char_grams(tokens: Sequence[str], *, within: tuple[int, int], unspaced: tuple[int, int]) -> list[str]:
    """Runs of characters within each word and its borders; in unspaced scripts, across neighbouring characters."""
    out: list[str] = []
    for piece, has_borders in _pieces(tokens):
        if not has_borders:
            out.extend(_runs(piece, *unspaced))
        elif len(piece) <= _LONG_WORD:
            out.extend(_word_runs(piece, *within))
        else:
            out.extend(_word_runs.__wrapped__(piece, *within))
    return out


_LONG_WORD = 32
"""Longer words hardly recur: remembering their runs would only cost memory."""


@lru_cache(maxsize=1 << 14)
def _word_runs(word: str, low: int, high: int) -> tuple[str, ...]:
    if not any(map(str.isalnum, word)):
        return ()  # symbols say nothing that they do not say as tokens
    padded = f" {word} "
    return tuple(_runs(padded, min(low, len(padded)), high))


def _runs(text: str, low: int, high: int) -> list[str]:
    return [text[i : i + n] for n in range(low, high + 1) for i in range(len(text) - n + 1)]


def _pieces(tokens: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Words, and neighbouring tokens of unspaced scripts as one string; and whether it is a word."""
    run: list[str] = []
    for token in tokens:
        if not token.isascii() and has_unspaced(token):
            run.append(token)
            continue
        if run:
            yield "".join(run), False
            run = []
        yield token, True
    if run:
        yield "".join(run), False


class TfIdf:
    """One block of features: fitted runs, in the order of the alphabet, and the idf of each."""

    def __init__(self, grams: Grams, vocabulary: Vocabulary, idf: np.ndarray) -> None:
        self.grams = grams
        self.vocabulary = vocabulary
        self.idf = idf
        self.width = len(vocabulary)

    @classmethod
    def fit(cls, grams: Grams, frequency: Mapping[str, float], rows: float, config: Config, *, words: bool) -> TfIdf:
        """From the number of rows each run occurs in and the number of rows. `words`: the runs are of words."""
        least, single = config.min_df, config.word_min_df if words else config.min_df
        enough = {gram: n for gram, n in frequency.items() if n >= (least if " " in gram else single)}
        kept = most_frequent(enough, at_least=0, at_most=config.max_features)
        idf = [math.log((1 + rows) / (1 + frequency[gram])) + 1 for gram in kept]
        if not kept:  # learners need a column; no run of a text is empty, so this one stays zero
            kept, idf = [""], [1.0]
        return cls(grams, Vocabulary(kept), np.array(idf, np.float32))

    def entries(self, documents: Sequence[Sequence[str]]) -> Entries:
        """The non-zero features of tokenised texts; each text's depend on that text alone."""
        number, width = self.vocabulary.number, self.width
        cells: list[int] = []
        for position, tokens in enumerate(documents):
            start = position * width
            cells.extend([start + number[gram] for gram in self.grams(tokens) if gram in number])
        place, count = np.unique(np.array(cells, np.int64), return_counts=True)
        row, column = place // width, place % width
        # One logarithm per distinct count: that of a whole array may round differently from place to place.
        distinct, which = np.unique(count, return_inverse=True)
        sublinear = np.array([1 + math.log(tf) for tf in distinct.tolist()])
        value = sublinear[which] * self.idf[column] if len(place) else np.zeros(0)
        length = np.sqrt(np.bincount(row, value * value, minlength=len(documents)))  # adds in order, row by row
        return row, column, (value / length[row]).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        return {**self.vocabulary.arrays(), "idf": self.idf}


def count_rows(
    documents: Sequence[Sequence[str]], weights: Sequence[float], grams: Grams, into: dict[str, float]
) -> None:
    """Add the weight of every text to each run that occurs in it."""
    for tokens, weight in zip(documents, weights, strict=True):
        for gram in set(grams(tokens)):
            into[gram] = into.get(gram, 0.0) + weight


class Columns(Protocol):
    """Some columns of the features."""

    width: int

    def entries(self, documents: Sequence[Sequence[str]]) -> Entries: ...


def csr(blocks: Sequence[Columns], documents: Iterator[Sequence[Sequence[str]]]) -> CSR:
    """The blocks side by side for spans of tokenised texts."""
    offsets = np.cumsum([0, *(block.width for block in blocks)])
    values: list[np.ndarray] = [np.zeros(0, np.float32)]
    indices: list[np.ndarray] = [np.zeros(0, np.int32)]
    counts: list[np.ndarray] = [np.zeros(1, np.int64)]
    for span in documents:
        parts = [block.entries(span) for block in blocks]
        rows = np.concatenate([row for row, _, _ in parts])
        order = np.argsort(rows, kind="stable")
        columns = np.concatenate([column + offset for (_, column, _), offset in zip(parts, offsets, strict=False)])
        indices.append(columns[order].astype(np.int32))
        values.append(np.concatenate([value for _, _, value in parts])[order])
        counts.append(np.bincount(rows, minlength=len(span)))
    return CSR(
        values=np.concatenate(values),
        indices=np.concatenate(indices),
        indptr=np.cumsum(np.concatenate(counts), dtype=np.int64),
        width=int(offsets[-1]),
    )
