"""Text: columns of strings that people wrote. Knows nothing of pictures, numbers, fusions or tasks; no torch here."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import ConfigError
from consilience.core.limits import Limits
from consilience.core.registry import Family
from consilience.core.state import State
from consilience.modalities.base import ColumnSample, Evidence, Modality, Processor, Values, is_blank
from consilience.modalities.text.config import Config as TextConfig
from consilience.modalities.text.load import is_missing, load
from consilience.modalities.text.processor import TextProcessor
from consilience.modalities.text.sniff import hint, sniff

ENCODERS = Family(
    "text encoder",
    {
        "bag": "consilience.modalities.text.encoders.bag:BagEncoder",
        "gru": "consilience.modalities.text.encoders.gru:GruEncoder",
        "lstm": "consilience.modalities.text.encoders.lstm:LstmEncoder",
        "transformer": "consilience.modalities.text.encoders.transformer:TransformerEncoder",
    },
)

BACKBONES = Family(
    "text backbone", {"transformers": "consilience.modalities.text.backbones.transformers:TransformersText"}
)


class Text(Modality):
    """Free text. Each column is an input of its own; columns grouped by hand are joined, one line per column."""

    name = "text"
    kinds = ("text",)
    media = False
    joint = False
    encoders = ENCODERS
    default_encoder = "bag"
    backbones = BACKBONES
    Config = TextConfig

    def sniff(self, column: ColumnSample) -> Evidence | None:
        return sniff(column)

    def hint(self, column: ColumnSample) -> str | None:
        return hint(column)

    def resolve(self, config: TextConfig, columns: Sequence[ColumnSample], kinds: Sequence[str]) -> TextConfig:
        """Notes the names of the columns, and whether there are few enough rows for runs of characters.

        Raises ConfigError when the config names other columns.
        """
        names = tuple(column.name for column in columns)
        if config.columns not in ((), names):
            raise ConfigError([f"columns: this input has the columns {list(names)}, not {list(config.columns)}"])
        few = all(column.rows < config.chars_below for column in columns)
        return replace(config, columns=names, chars=config.chars and few)

    def key(self, cell: tuple[Any, ...]) -> Hashable:
        """The cell as it is read: 1 and True are equal in Python, but "1" and "True" are different texts."""
        return tuple(None if is_blank(value) else value if isinstance(value, bytes) else str(value) for value in cell)

    def missing(self, cell: tuple[Any, ...]) -> bool:
        return all(map(is_missing, cell))

    def load(self, cell: tuple[Any, ...], config: TextConfig, root: Path, limits: Limits) -> tuple[Any, list[str]]:
        return load(cell, config.columns, limits)

    def fit(self, values: Values, config: TextConfig, *, weights: np.ndarray) -> TextProcessor:
        return TextProcessor.fit(values, config, weights=weights)

    def restore(self, state: State, config: TextConfig) -> Processor:
        return TextProcessor.restore(state, config)

    def example(self, config: TextConfig, processor: Processor, rng: np.random.Generator) -> tuple[str, ...]:
        """For each column, some known words in no order, a made-up one, and some signs of Chinese."""
        known = processor.tokens.entries if isinstance(processor, TextProcessor) else ()

        def text() -> str:
            words = [known[i] for i in rng.integers(len(known), size=rng.integers(3, 9))] if known else []
            made_up = "".join(rng.choice(list("aeioklmnrst"), rng.integers(2, 8)))
            return " ".join([*words, made_up, "".join(rng.choice(list("好看不错的一般很"), 3))])

        return tuple(text() for _ in config.columns or ("",))
