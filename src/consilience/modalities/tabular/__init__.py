"""The tabular modality: the numbers, categories and dates of a table, all columns together one input.

Knows nothing of other modalities. The files beside it do the work; NumPy only, encoders/ aside.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from consilience.core.errors import ConfigError, unknown
from consilience.core.limits import Limits
from consilience.core.registry import Family
from consilience.core.state import State
from consilience.modalities.base import (
    MISSING_MARKERS,
    ColumnSample,
    Evidence,
    Field,
    Modality,
    Processor,
    Values,
    is_blank,
)
from consilience.modalities.tabular import config as config_module
from consilience.modalities.tabular.dates import ORDERS
from consilience.modalities.tabular.hint import hint
from consilience.modalities.tabular.load import POINTS, load_row, only_flags
from consilience.modalities.tabular.processor import TableProcessor
from consilience.modalities.tabular.sniff import reading, sniff

ENCODERS = Family("tabular encoder", {"mlp": "consilience.modalities.tabular.encoders.mlp:MlpEncoder"})


class Tabular(Modality):
    """Numbers, categories, dates and times. A loaded row is a tuple of float (numbers; dates as days since 1970; times
    as shares of a day), int (whole numbers beyond 2**53), str (categories) and None."""

    name = "tabular"
    kinds = ("tabular", *get_args(config_module.Kind))
    media = False
    joint = True
    markers = MISSING_MARKERS
    encoders = ENCODERS
    default_encoder = "mlp"
    Config = config_module.Config

    def sniff(self, column: ColumnSample) -> Evidence | None:
        return sniff(column)

    def hint(self, column: ColumnSample) -> str | None:
        """What a column that nobody claims looks like to this modality, and how to say it."""
        return hint(column)

    def resolve(
        self, config: config_module.Config, columns: Sequence[ColumnSample], kinds: Sequence[str]
    ) -> config_module.Config:
        """Names what each column holds and how it is written: what the config says, else the kind given for the column,
        else ("tabular") what the cells look like, else a category."""
        names = [column.name for column in columns]
        keys: dict[str, Any] = {"columns": config.columns, "units": config.units, "missing_words": config.missing_words}
        strangers = [(key, name) for key, by_name in keys.items() for name in by_name if name not in names]
        if strangers:
            raise ConfigError(
                [f"{key}.{name}: {unknown('column of this input', name, names)}" for key, name in strangers]
            )
        found: dict[str, Any] = {}
        units, words = dict(config.units), dict(config.missing_words)
        problems: list[str] = []
        for column, kind in zip(columns, kinds, strict=True):
            if kind == self.name:
                evidence = sniff(column)
                kind = evidence.kind if evidence else "category"
            how = reading(column, config.columns.get(column.name, kind))
            if not how.clear and how.kind == "date":
                problems.append(f"column {column.name!r}: {how.notes[-1]}; say it with the kind date_dmy or date_mdy")
            flag = how.kind == "number" and not how.unit and only_flags(column.cells, config)
            found[column.name] = config.columns.get(column.name, "flag" if flag else how.kind)
            if how.unit:
                units.setdefault(column.name, how.unit)
            if how.words:
                words.setdefault(column.name, how.words)
        if problems:
            raise ConfigError(problems)
        return replace(config, columns=found, units=units, missing_words=words)

    def key(self, cell: tuple[Any, ...]) -> Hashable:
        """1, 1.0 and True compare equal in Python and are not the same cell."""
        return (*map(type, cell), *cell)

    def missing(self, cell: tuple[Any, ...]) -> bool:
        """NaT compares unequal to itself, like NaN. Markers as "NA" are the config's business: `load` sees to them."""
        return all(is_blank(part) or part != part for part in cell)

    def load(
        self, cell: tuple[Any, ...], config: config_module.Config, root: Path, limits: Limits
    ) -> tuple[Any, list[str]]:
        return load_row(cell, config)

    def fit(self, values: Values, config: config_module.Config, *, weights: np.ndarray) -> TableProcessor:
        return TableProcessor.fit(values, config, weights=weights)

    def restore(self, state: State, config: config_module.Config) -> TableProcessor:
        return TableProcessor.restore(state, config)

    def fields(self, config: config_module.Config, columns: Sequence[str]) -> tuple[Field, ...]:
        return tuple(Field(column=c, form="number" if config.columns[c] in POINTS else "words") for c in columns)

    def example(self, config: config_module.Config, processor: Processor, rng: np.random.Generator) -> tuple[Any, ...]:
        """A made-up cell for each column, of its kind."""
        made: dict[str, Any] = {
            **dict.fromkeys(POINTS, lambda: round(float(rng.normal()), 6)),
            **dict.fromkeys(ORDERS, lambda: f"20{rng.integers(10, 30)}-0{rng.integers(1, 10)}-1{rng.integers(0, 10)}"),
            "flag": lambda: int(rng.integers(0, 2)),
            "category": lambda: str(rng.choice(["a", "b", "c"])),
            "time": lambda: f"1{rng.integers(0, 10)}:3{rng.integers(0, 10)}",
        }
        return tuple(made[kind]() for kind in config.columns.values())
