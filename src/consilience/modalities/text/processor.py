"""What is learned from training texts: the encoder's tokens and the blocks of features. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial

import numpy as np

from consilience.core.batch import Tokens
from consilience.core.state import State
from consilience.modalities.base import Features, Processor, Values
from consilience.modalities.text.collate import collate, drop_tokens
from consilience.modalities.text.config import Config
from consilience.modalities.text.features import Grams, TfIdf, char_grams, count_rows, csr, word_grams
from consilience.modalities.text.hashing import Hashed
from consilience.modalities.text.measures import NAMES, measure
from consilience.modalities.text.spans import spans
from consilience.modalities.text.transform import RESERVED, Vocabulary, most_frequent, tokenise


class TextProcessor(Processor):
    """Text preprocessing fitted on training cells: a vocabulary for encoders, TF-IDF blocks or one hashed block for
    classic learners."""

    def __init__(self, config: Config, tokens: Vocabulary, blocks: dict[str, TfIdf]) -> None:
        self.config = config
        self.tokens = tokens
        self.blocks = blocks
        self.hashed = Hashed(_grams(config), config.hashed_features) if config.hashed_features else None

    @classmethod
    def fit(cls, values: Values, config: Config, *, weights: np.ndarray) -> TextProcessor:
        counts: dict[str, float] = {}
        grams = {} if config.hashed_features else _grams(config)
        frequency: dict[str, dict[str, float]] = {name: {} for name in grams}
        present = [i for i, (text, weight) in enumerate(zip(values, weights, strict=True)) if text and weight > 0]
        start = 0
        for span in spans(values[i] for i in present):
            documents = [tokenise(text or "", symbols=config.symbols) for text in span]
            rows = [float(weights[i]) for i in present[start : start + len(span)]]
            start += len(span)
            for document, weight in zip(documents, rows, strict=True):
                for token in document:
                    counts[token] = counts.get(token, 0.0) + weight
            for name, cut in grams.items():
                count_rows(documents, rows, cut, frequency[name])
        total = float(np.sum(weights[present]))
        blocks = {
            name: TfIdf.fit(cut, frequency[name], total, config, words=name == "words") for name, cut in grams.items()
        }
        known = most_frequent(counts, at_least=config.min_count, at_most=config.max_vocabulary)
        return cls(config, Vocabulary(known), blocks)

    def collate(self, values: Values) -> Tokens:
        return collate(values, self.tokens, self.config)

    def augment(self, tokens: Tokens, rng: np.random.Generator) -> Tokens:
        if not self.config.token_dropout:
            return tokens
        return drop_tokens(tokens, self.config.token_dropout, rng)

    def features(self, values: Values) -> Features:
        blocks = tuple(self.blocks.values()) if self.hashed is None else (self.hashed,)
        matrix = csr(blocks, self._documents(values))
        present = np.array([text is not None for text in values], bool)
        return Features(matrix=matrix, present=present, names=self._names)

    def measures(self, values: Values) -> Features | None:
        if not self.config.measures:
            return None
        present = np.array([text is not None for text in values], bool)
        return Features(matrix=measure(values), present=present, names=NAMES)

    def shape(self) -> dict[str, int]:
        return {"vocabulary": len(self.tokens) + RESERVED, "length": self.config.max_tokens}

    def state(self) -> State:
        arrays = {f"tokens.{name}": array for name, array in self.tokens.arrays().items()}
        for name, block in self.blocks.items():
            arrays |= {f"{name}.{part}": array for part, array in block.arrays().items()}
        return State(arrays=arrays)

    @classmethod
    def restore(cls, state: State, config: Config) -> TextProcessor:
        def vocabulary(name: str) -> Vocabulary:
            return Vocabulary.from_arrays(state.arrays[f"{name}.bytes"], state.arrays[f"{name}.offsets"])

        grams = {} if config.hashed_features else _grams(config)
        blocks = {name: TfIdf(cut, vocabulary(name), state.arrays[f"{name}.idf"]) for name, cut in grams.items()}
        return cls(config, vocabulary("tokens"), blocks)

    def _documents(self, values: Values) -> Iterator[Sequence[Sequence[str]]]:
        for span in spans(values):
            yield [[] if text is None else tokenise(text, symbols=self.config.symbols) for text in span]

    @cached_property
    def _names(self) -> Sequence[str]:
        """As users see them, in quotes: in runs of characters the borders of words are spaces."""
        if self.hashed is not None:
            return self.hashed.names
        return tuple(
            _SHOWN[name].format(gram) for name, block in self.blocks.items() for gram in block.vocabulary.entries
        )


_SHOWN = {"words": "words {!r}", "chars": "characters {!r}"}


def _grams(config: Config) -> dict[str, Grams]:
    """The blocks the config asks for, by name."""
    grams: dict[str, Grams] = {"words": partial(word_grams, longest=config.word_ngrams)}
    if config.chars:
        grams["chars"] = partial(char_grams, within=config.char_ngrams, unspaced=config.unspaced_ngrams)
    return grams
