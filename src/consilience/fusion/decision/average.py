"""The mean of all answers. Learns nothing from validation rows, so it cannot overfit them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consilience.core.state import State
from consilience.fusion.base import Answers, DecisionFusion
from consilience.fusion.decision.answers import fallback, mean, stack


class Average(DecisionFusion):
    """Every model that has an answer counts the same. Without any: every class alike, or the mean target."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Nothing to choose."""

    def __init__(self, *, otherwise: np.ndarray) -> None:
        self._otherwise = otherwise

    @classmethod
    def fit(
        cls,
        config: Average.Config,
        answers: Answers,
        target: np.ndarray,
        *,
        discrete: bool,
        weights: np.ndarray | None = None,
    ) -> Average:
        values, _ = stack(answers)
        return cls(otherwise=fallback(target, values.shape[2], discrete=discrete, weights=weights))

    def fuse(self, answers: Answers) -> np.ndarray:
        values, there = stack(answers)
        return mean(values, there, np.ones(len(values)), self._otherwise)

    def state(self) -> State:
        return State(arrays={"otherwise": self._otherwise})

    @classmethod
    def restore(cls, state: State) -> Average:
        return cls(otherwise=state.arrays["otherwise"])
