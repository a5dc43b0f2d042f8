"""How far off the numbers are. Knows values [N, 1] and targets [N]; knows no unit and no model.

r2 is undefined (null) when every target is the same value: there is nothing to explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.evaluate.base import Metric, MetricSet, checked, plain, ratio

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_CELLS = 24


class RegressionMetrics(MetricSet):
    """mae, rmse and r2."""

    metrics = (
        Metric(name="rmse", title="RMSE", meaning="typical error; large errors count more", greater_is_better=False),
        Metric(name="mae", title="MAE", meaning="mean absolute error", greater_is_better=False),
        Metric(name="r2", title="R²", meaning="share of the target's variance that is explained"),
    )

    def __init__(self, answers: np.ndarray, target: np.ndarray) -> None:
        answers, target = checked(answers, target)
        if answers.shape[1] != 1:
            raise DataError(f"{answers.shape[1]} answers a row where one number was expected")
        self._answer, self._target = answers[:, 0], target.astype(np.float64)
        if not np.isfinite(self._target).all():
            raise DataError("a target is not a finite number: leave such rows out before scoring")

    def values(self, weights: np.ndarray, *, only: str | None = None) -> dict[str, np.ndarray]:
        if not len(self._target):
            return {m.name: np.full(weights.shape[1], np.nan) for m in self.metrics}
        total = weights.sum(0)
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow becomes null, not a warning
            error = self._answer - self._target
            centred = self._target - self._target.mean()
            squared = error**2 @ weights
            spread = centred**2 @ weights - ratio((centred @ weights) ** 2, total)
            # What rounding leaves of a constant target's spread is not a spread.
            spread[spread <= 1e-12 * (centred**2 @ weights)] = 0
            return {
                "rmse": np.sqrt(ratio(squared, total)),
                "mae": ratio(np.abs(error) @ weights, total),
                "r2": 1 - ratio(squared, spread),
            }

    def details(self, names: Sequence[str]) -> dict[str, Any]:
        """residuals (quantiles and histogram of answer - target) and scatter (counts of target x answer cells)."""
        if not len(self._target):
            return {"name": names[0], "rows": 0}
        residual = self._answer - self._target
        quantiles = np.quantile(residual, _QUANTILES)
        counts, edges = np.histogram(residual, bins=_CELLS, range=_range(residual))
        span = _range(np.concatenate([self._target, self._answer]))
        cells, across, up = np.histogram2d(self._target, self._answer, bins=_CELLS, range=(span, span))
        return {
            "name": names[0],
            "rows": len(self._target),
            "residuals": {
                "mean": plain(residual.mean()),
                "quantiles": {f"{q:g}": plain(v) for q, v in zip(_QUANTILES, quantiles, strict=True)},
                "edges": edges.tolist(),
                "counts": counts.tolist(),
            },
            "scatter": {"true": across.tolist(), "predicted": up.tolist(), "counts": cells.astype(int).tolist()},
        }


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # a histogram needs some width
        margin = max(1e-9, 1e-3 * max(abs(low), abs(high)))
        return low - margin, high + margin
    return low, high
