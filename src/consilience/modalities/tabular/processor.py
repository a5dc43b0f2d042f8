"""The fitted preprocessing of one table of numbers, categories and dates: holds the columns, delegates the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from consilience.core.batch import Tokens
from consilience.core.state import State
from consilience.modalities.base import Features, Processor, Unlike, Values
from consilience.modalities.tabular.collate import augment, collate, split
from consilience.modalities.tabular.config import Config
from consilience.modalities.tabular.features import features
from consilience.modalities.tabular.seen import Seen, in_request, seen, unlike
from consilience.modalities.tabular.transform import KINDS, Column, from_json, to_json


class TableProcessor(Processor):
    """All columns of one input, in the order of the config."""

    def __init__(self, columns: Sequence[Column], config: Config, seen: Sequence[Seen]) -> None:
        """`seen`: what the training rows had in each column."""
        assert columns, "resolve() names the columns before anything is fitted"
        self.columns = tuple(columns)
        self.seen = tuple(seen)
        self.config = config

    @classmethod
    def fit(cls, values: Values, config: Config, *, weights: np.ndarray) -> TableProcessor:
        """Rows that hold nothing do not count: they are masked, so no column needs an indicator for them."""
        parts, present = split(values, len(config.columns))
        counts = np.where(present, np.asarray(weights, np.float64), 0.0)
        fitted = [
            KINDS[kind].fit(name, part, counts, config)
            for (name, kind), part in zip(config.columns.items(), parts, strict=True)
        ]
        return cls(fitted, config, [seen(c, part, counts) for c, part in zip(fitted, parts, strict=True)])

    @classmethod
    def restore(cls, state: State, config: Config) -> TableProcessor:
        return cls(
            [from_json(raw) for raw in state.meta["columns"]], config, [Seen(**raw) for raw in state.meta["seen"]]
        )

    def learned(self) -> State:
        return State(meta={"columns": [to_json(column) for column in self.columns]})

    def state(self) -> State:
        return State(meta={**self.learned().meta, "seen": [asdict(was) for was in self.seen]})

    def unlike(self, values: Values, index: np.ndarray) -> tuple[Unlike, ...]:
        """Rows without anything count nowhere: who compares knows of them."""
        parts, present = split(values, len(self.columns))
        weights = np.where(present, np.bincount(index, minlength=len(values)), 0)
        three = zip(self.columns, self.seen, parts, strict=True)
        return tuple(found for column, was, part in three for found in unlike(column, was, part, weights))

    def in_request(self, values: Values, index: np.ndarray) -> tuple[Unlike, ...]:
        parts, _ = split(values, len(self.columns))
        three = zip(self.columns, self.seen, parts, strict=True)
        return tuple(found for column, was, part in three for found in in_request(column, was, part, index))

    def collate(self, values: Values) -> Tokens:
        return collate(self.columns, values, self.config.limit)

    def features(self, values: Values) -> Features:
        return features(self.columns, values)

    def augment(self, tokens: Tokens, rng: np.random.Generator) -> Tokens:
        return augment(self.columns, tokens, self.config, rng)

    def shape(self) -> dict[str, int]:
        return {"features": sum(column.width for column in self.columns)}
