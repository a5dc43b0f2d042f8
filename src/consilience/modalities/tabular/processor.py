"""The fitted preprocessing of one table of numbers, categories and dates: holds the columns, delegates the work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consilience.core.batch import Tokens
from consilience.core.state import State
from consilience.modalities.base import Features, Processor, Unusual, Values
from consilience.modalities.tabular.collate import augment, collate, split
from consilience.modalities.tabular.config import Config
from consilience.modalities.tabular.features import features
from consilience.modalities.tabular.transform import KINDS, CategoryColumn, Column, from_json, to_json

NEW = "hold a value that training did not know"
EMPTY = "have no value that can be used, where training rows always had one"


class TableProcessor(Processor):
    """All columns of one input, in the order of the config."""

    def __init__(self, columns: Sequence[Column], config: Config) -> None:
        assert columns, "resolve() names the columns before anything is fitted"
        self.columns = tuple(columns)
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
        return cls(fitted, config)

    @classmethod
    def restore(cls, state: State, config: Config) -> TableProcessor:
        return cls([from_json(raw) for raw in state.meta["columns"]], config)

    def state(self) -> State:
        return State(meta={"columns": [to_json(column) for column in self.columns]})

    def collate(self, values: Values) -> Tokens:
        return collate(self.columns, values, self.config.limit)

    def features(self, values: Values) -> Features:
        return features(self.columns, values)

    def unusual(self, values: Values) -> Sequence[Unusual]:
        """New categories; and columns that have no value where training rows always had one."""
        found = []
        for column, parts in zip(self.columns, split(values, len(self.columns))[0], strict=True):
            absent = np.array([part is None for part in parts], bool)
            if not column.gaps:
                everywhere = np.ones(len(absent), bool)
                empty = Unusual(column=column.name, what=EMPTY, cells=absent, of=everywhere, usual=0.0, lacking=True)
                found.append(empty)
            if isinstance(column, CategoryColumn):
                new = column.unseen(parts)
                found.append(Unusual(column=column.name, what=NEW, cells=new, of=~absent, usual=column.others))
        return found

    def augment(self, tokens: Tokens, rng: np.random.Generator) -> Tokens:
        return augment(self.columns, tokens, self.config, rng)

    def shape(self) -> dict[str, int]:
        return {"features": sum(column.width for column in self.columns)}
