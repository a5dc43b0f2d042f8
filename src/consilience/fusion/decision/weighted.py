"""A weighted mean of the answers, the weights learned on validation rows. Knows models by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from consilience.core.errors import UserError, unknown
from consilience.core.state import State
from consilience.fusion.base import Answers, DecisionFusion
from consilience.fusion.decision.answers import counted, fallback, mean, stack


class Weighted(DecisionFusion):
    """Weights above zero that sum to one and minimise the log loss, or the squared error, on validation rows.

    Where a model has no answer the others' weights are scaled up. Without any answer: every class alike, or the mean
    target.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        pull: float = 10.0
        """How many validation rows' worth of belief that all models are equally good; 0 trusts the rows alone."""
        max_iter: int = 500
        """Steps of the search, at most."""
        least: float = 0.02
        """A model whose weight would be below this gets none: it would cost time and change next to nothing."""

        def __post_init__(self) -> None:
            if not self.pull >= 0:
                raise ValueError(f"pull must be at least 0, not {self.pull}")
            if not 0 <= self.least < 1:
                raise ValueError(f"least must be at least 0 and below 1, not {self.least}")
            if self.max_iter < 1:
                raise ValueError(f"max_iter must be at least 1, not {self.max_iter}")

    def __init__(self, *, names: tuple[str, ...], weights: np.ndarray, otherwise: np.ndarray) -> None:
        self._names, self._weights, self._otherwise = names, weights, otherwise

    @classmethod
    def fit(
        cls,
        config: Weighted.Config,
        answers: Answers,
        target: np.ndarray,
        *,
        discrete: bool,
        weights: np.ndarray | None = None,
    ) -> Weighted:
        names = tuple(sorted(answers))
        values, there = stack(answers, names)
        otherwise = fallback(target, values.shape[2], discrete=discrete, weights=weights)
        some = np.flatnonzero(there.any(0))
        if not len(some):
            return cls(names=names, weights=np.full(len(names), 1.0 / len(names)), otherwise=otherwise)
        there, each = there[:, some], counted(weights, len(target))[some]
        if discrete:
            loss = _log_loss(values[:, some, target[some]], there, each)
        else:
            loss = _squared_error(values[:, some, 0] - target[some], there, each)
        found = _search(_pulled(loss, config.pull), len(names), config.max_iter)
        found = _lean(found, config.least, loss, there)
        return cls(names=names, weights=found, otherwise=otherwise)

    def used(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if self.weights.get(name, 0.0) > 0}

    @property
    def weights(self) -> dict[str, float]:
        """How much each model counts."""
        return dict(zip(self._names, map(float, self._weights), strict=True))

    def fuse(self, answers: Answers) -> np.ndarray:
        for name in answers:
            if name not in self._names:
                raise UserError(f"{unknown('model', name, self._names)} It had no part in learning the weights.")
        known = [m for m, name in enumerate(self._names) if name in answers]
        values, there = stack(answers, [self._names[m] for m in known])
        return mean(values, there, self._weights[known], self._otherwise)

    def state(self) -> State:
        arrays = {"weights": self._weights, "otherwise": self._otherwise}
        return State(arrays=arrays, meta={"names": list(self._names)})

    @classmethod
    def restore(cls, state: State) -> Weighted:
        return cls(names=tuple(state.meta["names"]), **state.arrays)


_Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""Weights [M] -> the loss summed over rows, its slope [M]."""


def _log_loss(own: np.ndarray, there: np.ndarray, each: np.ndarray) -> _Loss:
    """`own` [M, N]: the probability each model gives to the right class, zero where it has no answer; `each` [N]: how
    much a row counts."""

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total = weights @ there
        mixed = np.maximum(weights @ own, 1e-12 * total)
        value = float((each * np.log(total)).sum() - (each * np.log(mixed)).sum())
        return value, there @ (each / total) - own @ (each / mixed)

    return loss


def _squared_error(error: np.ndarray, there: np.ndarray, each: np.ndarray) -> _Loss:
    """As the likelihood of a normal distribution as wide as the best model's errors, so that rows weigh against the
    pull as they do for classes."""
    error = np.where(there, error, 0.0)
    held = there @ each
    variance = max(float((error**2 @ each / np.where(held > 0, held, 1.0))[held > 0].min(initial=np.inf)), 1e-300)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total = weights @ there
        mixed = (weights @ error) / total
        slope = error @ (each * mixed / total) - there @ (each * mixed**2 / total)
        return float((each * mixed**2).sum() / 2 / variance), slope / variance

    return loss


def _lean(weights: np.ndarray, least: float, loss: _Loss, there: np.ndarray) -> np.ndarray:
    """Without the weights below `least`, unless rows need them: as their only answer, or against a zero elsewhere."""
    lean = np.where(weights < min(least, weights.max()), 0.0, weights)
    lean /= lean.sum()
    if not (lean @ there > 0).all():
        return weights
    return lean if loss(lean)[0] <= loss(weights)[0] + 0.001 * there.shape[1] else weights


def _pulled(loss: _Loss, pull: float) -> _Loss:
    """With the divergence of equal weights from these, `pull` times: the weights of a Dirichlet prior."""

    def pulled(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = loss(weights)
        share = pull / len(weights)
        return value - share * float(np.log(weights).sum()), slope - share / weights

    return pulled


def _search(loss: _Loss, models: int, max_iter: int) -> np.ndarray:
    """Exponentiated gradient (Kivinen & Warmuth 1997) from equal weights: each step multiplies, so weights stay above
    zero; a step that does not help is halved."""
    logs = np.full(models, -np.log(models))
    weights = np.exp(logs)
    value, slope = loss(weights)
    step = 1.0 / max(float(np.abs(slope).max()), 1e-300)
    for _ in range(max_iter):
        tried = logs - step * (slope - weights @ slope)
        tried -= tried.max()
        tried -= np.log(np.exp(tried).sum())
        tried = np.maximum(tried, -40.0)  # e^-40 of a say is none, and its logarithm is still a number
        new, new_slope = loss(np.exp(tried))
        if new <= value:
            moved = float(np.abs(np.exp(tried) - weights).max())
            logs, weights, value, slope, step = tried, np.exp(tried), new, new_slope, step * 1.5
            if moved < 1e-9:
                break
        else:
            step /= 2
            if step * np.abs(slope).max() < 1e-12:
                break
    return weights / weights.sum()
