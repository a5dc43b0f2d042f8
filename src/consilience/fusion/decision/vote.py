"""The majority's answer: each model has one vote, however sure it is. For numbers, the median."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consilience.core.state import State
from consilience.fusion.base import Answers, DecisionFusion
from consilience.fusion.decision.answers import fallback, mean, stack

_DECIDES = 1e-3
"""Votes the mean probability is worth in all: it decides between equal votes and never against one."""


class Vote(DecisionFusion):
    """The share of the votes of each class, ties broken by the mean probability. Without any vote: every class alike,
    or the mean target."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Nothing to choose."""

    def __init__(self, *, otherwise: np.ndarray, discrete: bool) -> None:
        self._otherwise, self._discrete = otherwise, discrete

    @classmethod
    def fit(
        cls,
        config: Vote.Config,
        answers: Answers,
        target: np.ndarray,
        *,
        discrete: bool,
        weights: np.ndarray | None = None,
    ) -> Vote:
        values, _ = stack(answers)
        return cls(otherwise=fallback(target, values.shape[2], discrete=discrete, weights=weights), discrete=discrete)

    def fuse(self, answers: Answers) -> np.ndarray:
        values, there = stack(answers)
        if not self._discrete:
            return self._median(values, there)
        votes = np.eye(values.shape[2])[values.argmax(2)]
        equal = np.ones(len(values))
        shares, average = (mean(v, there, equal, self._otherwise) for v in (votes, values))
        worth = _DECIDES / np.maximum(there.sum(0), 1)[:, None]
        return (shares + worth * average) / (1.0 + worth)

    def _median(self, values: np.ndarray, there: np.ndarray) -> np.ndarray:
        count = there.sum(0)
        ordered = np.sort(np.where(there[:, :, None], values, np.inf), axis=0)
        rows = np.arange(values.shape[1])
        middle = 0.5 * (
            ordered[np.maximum(count - 1, 0) // 2, rows] + ordered[np.minimum(count // 2, len(values) - 1), rows]
        )
        return np.where((count > 0)[:, None], middle, self._otherwise)

    def state(self) -> State:
        return State(arrays={"otherwise": self._otherwise}, meta={"discrete": self._discrete})

    @classmethod
    def restore(cls, state: State) -> Vote:
        return cls(otherwise=state.arrays["otherwise"], discrete=state.meta["discrete"])
