"""Loaded rows to Tokens, one token per row, and their augmentation. Learns nothing: the columns come fitted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from consilience.core.batch import Tokens
from consilience.modalities.base import Values
from consilience.modalities.tabular.config import Config
from consilience.modalities.tabular.transform import Column, Parts


def split(values: Values, width: int) -> tuple[list[Parts], np.ndarray]:
    """The parts of each of `width` columns, and which rows hold anything [U] bool."""
    blank = (None,) * width
    rows = [blank if value is None else value for value in values]
    present = np.array([row.count(None) < width for row in rows], bool)
    return (list(zip(*rows, strict=True)) if rows else [()] * width), present


def collate(columns: Sequence[Column], values: Values, limit: float) -> Tokens:
    """values [U, 1, F] float32, mask [U, 1]. Rows without anything are zero under a False mask."""
    parts, present = split(values, len(columns))
    blocks = [column.scaled(part, limit) for column, part in zip(columns, parts, strict=True)]
    matrix = np.concatenate(blocks, axis=1)
    matrix[~present] = 0.0
    return Tokens(values=matrix[:, None, :], mask=present[:, None])


def augment(columns: Sequence[Column], tokens: Tokens, config: Config, rng: np.random.Generator) -> Tokens:
    """Noise on numbers that are there; whole columns taken as missing (never all columns of a row)."""
    if config.noise == 0 and config.column_dropout == 0:
        return tokens
    values = np.array(tokens.values)
    rows = len(values)
    ends = list(accumulate(column.width for column in columns))
    starts = [0, *ends[:-1]]
    if config.noise > 0:
        noise = rng.normal(0.0, config.noise, (rows, len(columns))).astype(np.float32)
        for c, (column, start, end) in enumerate(zip(columns, starts, ends, strict=True)):
            if column.noisy:
                there = values[:, 0, end - 1] == 0 if column.gaps else np.ones(rows, bool)
                values[there, 0, start] += noise[there, c]
    if config.column_dropout > 0:
        dropped = rng.random((rows, len(columns))) < config.column_dropout
        dropped[dropped.all(1)] = False
        for c, (column, start, end) in enumerate(zip(columns, starts, ends, strict=True)):
            values[dropped[:, c], 0, start:end] = 0.0
            if column.gaps:
                values[dropped[:, c], 0, end - 1] = 1.0
    values[~np.asarray(tokens.mask)] = 0.0
    return Tokens(values=values, mask=tokens.mask)
