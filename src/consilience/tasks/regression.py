"""One real number. Knows its scale, so that networks learn a standardised target; knows no input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from consilience.core.errors import DataError
from consilience.core.number_forms import Forms, NumberForm, form_of, tidy
from consilience.tasks.base import Task
from consilience.tasks.cells import Line, from_one, number_forms
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
        decimal: Literal["auto", "point", "comma"] = "auto"
        """What parts whole and fraction in a target of texts: 1,234.5 has a point, 1.234,5 a comma; "auto" looks."""

    def __init__(self, *, name: str, mean: float, deviation: float, form: NumberForm | None = None) -> None:
        self.name, self.mean, self.deviation = name, mean, deviation
        self.form = form or NumberForm()

    @classmethod
    def claims(cls, cells: Sequence[Any]) -> str | None:
        forms = number_forms(cells)
        if forms is None:
            return None
        said = f"{len(set(cells))} distinct numbers"
        if forms.ambiguous:
            return f"{said}; {_open(forms)}"
        said += f" with a decimal comma, as {forms.example}" if forms.form.point == "," else ""
        return said + (f"; their unit is {forms.form.unit}" if forms.form.unit else "")

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
        form = _form(cells, (config or cls.Config()).decimal, column)
        values = _numbers(cells, form, column, line)
        if len(values) < 2 or np.ptp(values) == 0:
            raise DataError(
                f"column {column!r}: every training row has the same value; there is nothing to learn. "
                "Check --target, or give rows whose value differs."
            )
        return cls(name=column, mean=float(values.mean()), deviation=float(values.std()), form=form)

    def encode(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> np.ndarray:
        return _numbers(cells, self.form, column, line)

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
        form = {"point": self.form.point, "unit": self.form.unit}
        own = {"name": self.name, "mean": self.mean, "deviation": self.deviation, "form": form}
        return {"kind": self.kind, **own, **self._choice()}

    @classmethod
    def restore(cls, meta: dict[str, Any]) -> Regression:
        form = NumberForm(**meta["form"])
        task = cls(name=meta["name"], mean=meta["mean"], deviation=meta["deviation"], form=form)
        restored: Regression = task._as_chosen(meta)
        return restored


_POINTS = {"point": ".", "comma": ","}


def _form(cells: Sequence[Any], decimal: str, column: str) -> NumberForm:
    forms = form_of({cell for cell in cells if isinstance(cell, str)})
    if decimal != "auto":
        return NumberForm(point=_POINTS[decimal], unit=forms.form.unit)
    if forms.ambiguous:
        raise DataError(f"column {column!r}: {_open(forms)}")
    return forms.form


def _open(forms: Forms) -> str:
    return (
        f"every number has one comma before three digits, as {forms.example}, so nothing says whether it is for "
        "decimals or thousands: say it with --set task.decimal=comma, or --set task.decimal=point"
    )


def _number(cell: Any, form: NumberForm) -> float:
    """Raises ValueError with a message that continues a sentence."""
    value: float = math.nan
    if isinstance(cell, str):
        try:
            value = float(form.read(tidy(cell)))
        except OverflowError:
            value = math.inf
        except ValueError as error:
            if "column" in str(error):
                raise
    elif not isinstance(cell, bool):
        try:
            value = float(cell)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    return value


def _numbers(cells: Sequence[Any], form: NumberForm, column: str, line: Line) -> np.ndarray:
    out = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            out[row] = cell if type(cell) is float and cell - cell == 0.0 else _number(cell, form)
        except ValueError as error:
            raise DataError(
                f"column {column!r}, row {line(row)}: {str(cell)[:60]!r} {error}. Correct it, leave the row out, or "
                "pass --task classification."
            ) from None
    return out
