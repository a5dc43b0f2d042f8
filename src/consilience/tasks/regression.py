"""One real number. Knows its scale, so that networks learn a standardised target; knows no input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.tasks.base import Task
from consilience.tasks.cells import Line, from_one
from consilience.tasks.classes import tenths


class Regression(Task):
    """Scores of a head are standardised by the training mean and deviation; answers are in the target's own unit."""

    kind = "regression"
    primary = "rmse"
    greater_is_better = False
    discrete = False
    baseline = "mean"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Nothing to choose."""

    def __init__(self, *, name: str, mean: float, deviation: float) -> None:
        self.name, self.mean, self.deviation = name, mean, deviation

    @classmethod
    def claims(cls, cells: Sequence[Any]) -> str | None:
        if all(_number(c) is not None for c in cells):
            return f"{len(set(cells))} distinct numbers"
        return None

    @classmethod
    def fit(
        cls,
        cells: Sequence[Any],
        *,
        column: str,
        config: Any = None,
        line: Line = from_one,
        columns: Sequence[str] = (),
    ) -> Regression:
        values = _numbers(cells, column, line)
        if len(values) < 2 or np.ptp(values) == 0:
            raise DataError(
                f"column {column!r}: every training row has the same value; there is nothing to learn. "
                "Check --target, or give rows whose value differs."
            )
        return cls(name=column, mean=float(values.mean()), deviation=float(values.std()))

    def encode(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> np.ndarray:
        return _numbers(cells, column, line)

    @property
    def width(self) -> int:
        return 1

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def constant(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        if not len(target):
            return np.array([self.mean])
        return np.array([target.mean() if weights is None else np.average(target, weights=weights)])

    def cost(self, constant: np.ndarray) -> float:
        return 1.0

    def activate(self, scores: np.ndarray) -> np.ndarray:
        return scores.astype(np.float64) * self.deviation + self.mean

    def losses(
        self,
        scores: Any,
        target: Any,
        *,
        class_weights: Any = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
    ) -> Any:
        """Squared error in deviations of the target."""
        return (scores[:, 0] - ((target - self.mean) / self.deviation).to(scores.dtype)) ** 2

    def strata(self, target: np.ndarray) -> np.ndarray:
        return tenths(target)

    def merits(self, answers: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return -((answers[:, 0] - target) ** 2)

    def decode(self, answers: np.ndarray) -> list[Any]:
        return [float(v) for v in answers[:, 0]]

    def meta(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "mean": self.mean, "deviation": self.deviation, **self._choice()}

    @classmethod
    def restore(cls, meta: dict[str, Any]) -> Regression:
        task = cls(name=meta["name"], mean=meta["mean"], deviation=meta["deviation"])
        restored: Regression = task._as_chosen(meta)
        return restored


def _number(cell: Any) -> float | None:
    if isinstance(cell, bool):
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _numbers(cells: Sequence[Any], column: str, line: Line) -> np.ndarray:
    out = np.empty(len(cells))
    for row, cell in enumerate(cells):
        value = _number(cell)
        if value is None:
            raise DataError(
                f"column {column!r}, row {line(row)}: {str(cell)[:60]!r} is not a finite number. Correct it, leave the "
                "row out, or pass --task classification."
            )
        out[row] = value
    return out
