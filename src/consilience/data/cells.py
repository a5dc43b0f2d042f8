"""The distinct cells of one input, loaded once, and which of them each row has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consilience.modalities.base import Values


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One bad cell, or a remark on a part of one, for bad_cells.csv."""

    row: int
    """Row of the table, from 0."""
    column: str
    reason: str
    whole: bool = True
    """The whole cell counts as missing (False: only a part of it, as one number in a row of numbers)."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """One input of a table: values of U distinct cells (None: missing or bad) and the cell of each row [N] int64."""

    values: Values
    index: np.ndarray
    groups: np.ndarray
    """[N] int64: rows with equal numbers hold the same content (bytes of media; -1 where missing or not media)."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """All inputs of a table, loaded. `take` keeps the loaded values and only narrows the rows."""

    inputs: dict[str, Cells]
    rows: int
