"""Loaded rows to a dense matrix for classic learners: numbers as they are, one place per category, parts of dates.

Learns nothing: the columns come fitted. A missing number or date is NaN (trees split on it, linear learners impute).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consilience.modalities.base import Features, Values
from consilience.modalities.tabular.collate import split
from consilience.modalities.tabular.transform import Column


def features(columns: Sequence[Column], values: Values) -> Features:
    """Dense [U, F] float32; rows without anything are zero and not present."""
    parts, present = split(values, len(columns))
    matrix = np.concatenate([column.raw(part) for column, part in zip(columns, parts, strict=True)], axis=1)
    matrix[~present] = 0.0
    names = tuple(name for column in columns for name in column.raw_names)
    return Features(matrix=matrix, present=present, names=names)
