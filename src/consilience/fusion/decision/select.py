"""Greedy ensemble selection with replacement (Caruana et al. 2004), on validation rows. Knows models by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from consilience.core.errors import UserError, unknown
from consilience.core.state import State
from consilience.fusion.base import Answers, DecisionFusion
from consilience.fusion.decision.answers import counted, fallback, filled, mean, stack


class Select(DecisionFusion):
    """The mean of a bag of models: the best one first, then again and again the one whose joining lowers the log loss
    (squared error) most, models already in the bag included; the bag at the lowest point of the way is kept."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        steps: int = 30
        """Most models in the bag, repeats counted."""

        def __post_init__(self) -> None:
            if self.steps < 1:
                raise ValueError(f"steps must be at least 1, not {self.steps}")

    def __init__(self, *, names: tuple[str, ...], counts: np.ndarray, otherwise: np.ndarray) -> None:
        self._names, self._counts, self._otherwise = names, counts, otherwise

    @classmethod
    def fit(
        cls,
        config: Select.Config,
        answers: Answers,
        target: np.ndarray,
        *,
        discrete: bool,
        weights: np.ndarray | None = None,
    ) -> Select:
        names = tuple(sorted(answers))
        values, there = stack(answers, names)
        otherwise = fallback(target, values.shape[2], discrete=discrete, weights=weights)
        some = np.flatnonzero(there.any(0))
        if not len(some):
            return cls(names=names, counts=np.ones(len(names)), otherwise=otherwise)
        whole = filled(values[:, some], there[:, some])
        each = counted(weights, len(target))[some]
        own = whole[:, np.arange(len(some)), target[some]] if discrete else whole[:, :, 0] - target[some]
        return cls(names=names, counts=_bag(own, config.steps, each, discrete=discrete), otherwise=otherwise)

    @property
    def counts(self) -> dict[str, float]:
        """How often each model is in the bag."""
        return dict(zip(self._names, map(float, self._counts), strict=True))

    def used(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if self.counts.get(name, 0.0) > 0}

    def fuse(self, answers: Answers) -> np.ndarray:
        for name in answers:
            if name not in self._names:
                raise UserError(f"{unknown('model', name, self._names)} It had no part in the selection.")
        known = [m for m, name in enumerate(self._names) if name in answers]
        values, there = stack(answers, [self._names[m] for m in known])
        return mean(values, there, self._counts[known], self._otherwise)

    def state(self) -> State:
        arrays = {"counts": self._counts, "otherwise": self._otherwise}
        return State(arrays=arrays, meta={"names": list(self._names)})

    @classmethod
    def restore(cls, state: State) -> Select:
        return cls(names=tuple(state.meta["names"]), **state.arrays)


def _bag(own: np.ndarray, steps: int, each: np.ndarray, *, discrete: bool) -> np.ndarray:
    """[M]: how often each model is in the bag. `own` [M, N]: probability of the right class, or the error;
    `each` [N]: how much a row counts."""
    counts, total = np.zeros(len(own)), np.zeros(own.shape[1])
    best, kept = np.inf, counts
    for size in range(1, steps + 1):
        mixed = (total + own) / size  # [M, N]: the bag with each model in turn
        losses = np.average(-np.log(np.maximum(mixed, 1e-9)) if discrete else mixed**2, axis=1, weights=each)
        chosen = int(losses.argmin())
        counts, total = counts.copy(), total + own[chosen]
        counts[chosen] += 1
        if losses[chosen] < best - 1e-12:
            best, kept = float(losses[chosen]), counts
    return kept
