"""A model ready to answer: rows of raw cells in, answers out. Built by `load`, or by a fit that has just ended."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from consilience.bundle.compare import Comparison, absent_columns, compare
from consilience.core import memory
from consilience.core.errors import DataError, DataWarning
from consilience.core.limits import Limits
from consilience.core.progress import Reporter
from consilience.data.cells import Cells, Dataset, Problem
from consilience.data.encode import Encoding, encode_values
from consilience.data.fetch import fetching
from consilience.data.infer import InputPlan
from consilience.data.loader import load as load_cells
from consilience.data.sources import read
from consilience.data.sources.memory import is_column
from consilience.data.store import Store
from consilience.data.stored import features, features_space
from consilience.data.table import Table
from consilience.modalities import MODALITIES
from consilience.modalities.backbone import Backbone
from consilience.modalities.base import Features, Processor
from consilience.models.base import Member
from consilience.models.view import Source, View
from consilience.tasks.base import Task

_MANY = 256
"""Rows from which on it pays to hold on to freed memory."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input: where its cells come from and how they become tokens and features."""

    plan: InputPlan
    config: Any
    processor: Processor
    backbone: Backbone | None = None
    """What turns its cells into the vectors that the processor and the models see; None: they see the cells."""
    missing: float = 0.0
    """Share of the training rows that had no value."""
    unreadable: Mapping[str, float] = field(default_factory=dict)
    """By column: share of the training rows whose cell could not be read, in whole or in part; none where absent."""

    def built_from(self) -> dict[str, Any]:
        """What a network is told of it."""
        told = {"modality": self.plan.modality, "shape": self.processor.shape()}
        if self.backbone is None:
            return told
        if not self.backbone.config.cut:
            return {**told, "frozen": True}
        return {**told, "frozen": True, "upper": {"kind": self.backbone.kind, **self.backbone.upper_from()}}


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """`answers` [N, K] (see tasks/base.py), the decoded answers, the names of the K columns, the bad cells, and how the
    table differs from that of training."""

    answers: np.ndarray
    labels: list[Any]
    names: tuple[str, ...]
    problems: tuple[Problem, ...]
    comparison: Comparison


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained model with its preprocessing."""

    name: str
    target: str
    task: Task
    inputs: Mapping[str, Input]
    member: Member
    limits: Limits
    columns: tuple[str, ...]
    """Every column that was an input in training, also those that this model does not look at: they may be given."""
    targets: tuple[str, ...] = ()
    """Columns of the target; empty: the one called `target`."""
    weight: str | None = None
    """Column that said how much each row counts; metrics count rows by it where a table has it."""

    def predict(self, rows: Any, *, root: Path | None = None, allow_urls: Sequence[str] = ()) -> list[Any]:
        """One answer for each row, in order: a label or a number, a list of labels, or of several targets a dict by
        target. `rows`: a dict (one row), or whatever `data.sources.read` takes: a path,
        DataFrame, Arrow table, dataset, list or stream of dicts, dict of columns. A column that is absent is missing on
        every row. `allow_urls`: hosts whose URLs in media cells are fetched.

        Warns (DataWarning) of a column that a table lacks, of cells that cannot be read, and of columns whose values
        are nothing like those of training. A dict may leave out what it likes: it is warned of a key only that looks
        like one that is absent."""
        return self._answered(rows, root, allow_urls).labels

    def predict_proba(self, rows: Any, *, root: Path | None = None, allow_urls: Sequence[str] = ()) -> np.ndarray:
        """[N, K] float64: a probability for each of `classes`; for regression the value itself [N, 1]; for several
        targets the columns of all of them."""
        return self._answered(rows, root, allow_urls).answers

    @property
    def media(self) -> tuple[str, ...]:
        """Columns of files and bytes."""
        plans = [given.plan for given in self.inputs.values()]
        return tuple(c for plan in plans if MODALITIES.load(plan.modality).media for c in plan.columns)

    def _answered(self, rows: Any, root: Path | None, hosts: Sequence[str]) -> Prediction:
        single = isinstance(rows, Mapping) and not any(map(is_column, rows.values()))
        table = read([dict(rows)] if single else rows, root=root)
        with fetching(table, self.media, hosts, max_bytes=self.limits.bytes) as given:
            prediction = self.answer(given, complete=not single and _has_columns(rows))
        warn(prediction.comparison.warnings, stacklevel=3)
        return prediction

    @property
    def classes(self) -> tuple[str, ...]:
        return self.task.names

    def answer(
        self, table: Table, *, workers: int | None = None, reporter: Reporter | None = None, complete: bool = True
    ) -> Prediction:
        """Load the cells of a table and answer all of its rows. `complete`: see `compare`."""
        with memory.reused(when=len(table) > _MANY):
            dataset = self.load(table, workers=workers, reporter=reporter)
            answers = self.member.predict(self.view(dataset))
        problems = tuple(dict.fromkeys(p for cells in dataset.inputs.values() for p in cells.problems))
        return Prediction(
            answers=answers,
            labels=self.task.decode(answers),
            names=self.task.names,
            problems=problems,
            comparison=self.compare(table, dataset, complete=complete),
        )

    def compare(self, table: Table, dataset: Dataset, *, complete: bool = True) -> Comparison:
        """How a table, loaded by `load`, differs from the one of training (bundle/compare.py)."""
        known = {*self.columns, *(self.targets or (self.target,)), *([self.weight] if self.weight else [])}
        return compare(table, dataset, self.inputs, known=known, complete=complete)

    def load(
        self, table: Table, *, workers: int | None = None, reporter: Reporter | None = None, encoded: bool = True
    ) -> Dataset:
        """Distinct cells of every input the model looks at. Columns the table lacks are missing on every row.

        `encoded=False`: cells that go through a backbone are loaded only, and `encode` is to be called before `view`.
        """
        wanted = [name for name in self.inputs if name in self.member.inputs]
        require_some(table, self.columns)
        return load_inputs(
            table,
            {name: self.inputs[name].plan for name in wanted},
            {name: self.inputs[name].config for name in wanted},
            self.limits,
            workers=workers,
            reporter=reporter,
            encodings=encodings(self.inputs) if encoded else {},
        )

    def encode(self, dataset: Dataset) -> Dataset:
        """What `load(encoded=False)` left to do."""
        inputs = dict(dataset.inputs)
        for name, cells in dataset.inputs.items():
            if (backbone := self.inputs[name].backbone) is not None:
                inputs[name] = replace(cells, values=encode_values(cells.values, backbone))
        return replace(dataset, inputs=inputs)

    def view(self, dataset: Dataset) -> View:
        return make_view(dataset, self.inputs)


def warn(texts: Iterable[str], *, stacklevel: int = 2) -> None:
    """Warn a caller in Python; `stacklevel` as in `warnings.warn`, counted from whoever calls this."""
    for text in texts:
        warnings.warn(text, DataWarning, stacklevel=stacklevel + 1)


def _has_columns(rows: Any) -> bool:
    """Whether rows were given as a table, with columns of its own, and not as dicts, which may leave out keys."""
    if isinstance(rows, Mapping):
        return False
    kind = type(rows)  # not the object: a lazy frame of polars works out its columns when asked, and warns
    if isinstance(rows, str | Path | Table) or hasattr(kind, "columns") or hasattr(kind, "column_names"):
        return True
    return isinstance(rows, Sequence) and len(rows) > 0 and not isinstance(rows[0], Mapping)


def encodings(inputs: Mapping[str, Input]) -> dict[str, Encoding]:
    """How cells become vectors, for the inputs that are seen through a backbone."""
    return {n: Encoding(backbone=given.backbone) for n, given in inputs.items() if given.backbone is not None}


def same_cells(inputs: Mapping[str, Input]) -> dict[str, tuple[str, ...]]:
    """What users call an input, and the ways of looking at its cells (as they are, through a backbone) that have it.
    Another modality that reads the same columns (the sound of a film) is another input."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name in sorted(inputs, key=lambda name: (inputs[name].backbone is not None, name)):
        found.setdefault((inputs[name].plan.modality, inputs[name].plan.columns), []).append(name)
    out = {}
    for first, *others in found.values():
        backbone = inputs[first].backbone
        label = first if backbone is None else first.removesuffix(f"@{backbone.name}")
        out[label] = (first, *others)
    return dict(sorted(out.items()))


def make_view(dataset: Dataset, inputs: Mapping[str, Input], *, store: Store | None = None) -> View:
    """`store`: where features are looked for, and new ones are put."""

    def source(cells: Cells, given: Input) -> Source:
        if store is None or given.backbone is not None:  # vectors are in the store already
            return Source(values=cells.values, processor=given.processor)
        modality = MODALITIES.load(given.plan.modality)()

        def stored() -> Features:
            with features_space(store, modality, given.config, given.processor) as space:
                return features(cells.values, cells.keys, given.processor, space)

        return Source(values=cells.values, processor=given.processor, stored=stored)

    return View(
        sources={name: source(cells, inputs[name]) for name, cells in dataset.inputs.items()},
        index={name: cells.index for name, cells in dataset.inputs.items()},
        rows=dataset.rows,
    )


def require_some(table: Table, columns: Sequence[str]) -> None:
    """Raises DataError when the table has none of the columns: then it is another table, not one with gaps. One without
    rows is as good as any."""
    if len(table) and columns and not any(column in table.columns for column in columns):
        close = absent_columns(table, columns, ())
        hint = "".join(f" Is {near!r} the column {column!r}? Rename it." for column, near in close.items() if near)
        raise DataError(
            f"{table.name}: none of the model's columns is there ({', '.join(columns)}).{hint} "
            f"The table has: {', '.join(table.columns) or 'none'}."
        )


def load_inputs(
    table: Table,
    plans: Mapping[str, InputPlan],
    configs: Mapping[str, Any],
    limits: Limits,
    *,
    workers: int | None = None,
    reporter: Reporter | None = None,
    scratch: Path | None = None,
    store: Store | None = None,
    encodings: Mapping[str, Encoding] | None = None,
) -> Dataset:
    """Load the inputs of a table. A column the table lacks is missing on every row."""
    columns = [column for plan in plans.values() for column in plan.columns]
    absent = {column: [None] * len(table) for column in columns if column not in table.columns}
    if absent:
        table = replace(table, columns={**table.columns, **absent})
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    rows = len(table) * len(plans)  # how many distinct cells they hold is known only on the way
    with (reporter or Reporter()).bar("reading cells", rows) as advance:
        return load_cells(
            table,
            plans,
            configs,
            limits=limits,
            workers=workers,
            progress=lambda done, total: advance(done * rows // max(total, 1), ""),
            scratch=scratch,
            store=store,
            encodings=encodings,
        )
