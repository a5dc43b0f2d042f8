"""What can be chosen about text before any encoder sees it. Knows no encoder and no learner."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_HASHED = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Config:
    columns: tuple[str, ...] = ()
    """Columns joined into one text, one line each; read off the table, so leave it out."""
    symbols: bool = True
    """Exclamation marks, question marks and pictographs (emoji) are tokens of their own; without, they are dropped."""
    max_tokens: int = 64
    """Longest text an encoder sees, in tokens; of a longer one it sees the beginning. Features see all of it."""
    max_vocabulary: int = 30_000
    """Most distinct tokens an encoder knows, the most frequent ones; all others are one "unknown" token."""
    min_count: int = 2
    """How often a token must occur in the training rows for an encoder to know it."""
    token_dropout: float = 0.0
    """Share of tokens made unknown in training, 0 to 1; at least one token of every text stays as it is."""
    word_ngrams: int = 2
    """Longest run of tokens counted as one feature: 2 counts single tokens and pairs."""
    chars: bool = True
    """Count runs of characters too: robust to spelling and inflection; the most of the cost of the features."""
    chars_below: int = 200_000
    """Rows of a table from which on `chars` is off: there, runs of words tell as much, and runs of characters would
    fill the memory."""
    char_ngrams: tuple[int, int] = (3, 4)
    """Shortest and longest run of characters within a word, its two borders counted as a space each."""
    unspaced_ngrams: tuple[int, int] = (1, 3)
    """The same in scripts without spaces between words (Chinese, Japanese, Thai ...), in characters; no borders."""
    min_df: int = 2
    """In how many training rows a run of characters, or of several words, must occur to become a feature."""
    word_min_df: int = 1
    """The same of single words. They are few beside the runs, and rare ones tell texts apart: keep all."""
    max_features: int = 50_000
    """Most features each of runs of words and of runs of characters: those that occur in the most training rows."""
    measures: bool = True
    """Beside the runs, a few numbers of each text, which trees look at: how long it is, and its shares of capitals,
    digits and symbols."""
    hashed_features: int = 0
    """Columns that all runs are hashed into instead of learning which runs there are, for example 262144: nothing is
    counted, no vocabulary is held in memory or stored, and the columns bound the size of the model, at some cost in
    accuracy. Rare runs are not left out, so on a small table the model is no smaller. 0: learn them."""

    def __post_init__(self) -> None:
        for name in (
            "max_tokens",
            "max_vocabulary",
            "min_count",
            "word_ngrams",
            "min_df",
            "word_min_df",
            "max_features",
            "chars_below",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not (self.hashed_features == 0 or 2 <= self.hashed_features <= _MOST_HASHED):
            raise ValueError(f"hashed_features must be 0, or 2 to {_MOST_HASHED:,}, got {self.hashed_features}")
        for name in ("min_df", "word_min_df", "max_features"):
            if self.hashed_features and getattr(self, name) != type(self).__dataclass_fields__[name].default:
                raise ValueError(f"{name} does nothing beside hashed_features, which know no counts: leave it out")
        if not 0 <= self.token_dropout <= 1:
            raise ValueError(f"token_dropout must lie between 0 and 1, got {self.token_dropout}")
        for name in ("char_ngrams", "unspaced_ngrams"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(
                    f"{name} must be [shortest, longest] with 1 <= shortest <= longest, got [{low}, {high}]"
                )
