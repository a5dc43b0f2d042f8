"""What the two kinds of fusion promise. A fusion knows inputs by name and never by modality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from consilience.core.state import State

Answers = Mapping[str, np.ndarray]
"""Answers [N, K] of several models, by name (see tasks/base.py); a row of NaN where a model has no answer."""


class DecisionFusion(ABC):
    """A rule that makes one answer of several models' answers."""

    Config: ClassVar[type]

    @classmethod
    @abstractmethod
    def fit(
        cls, config: Any, answers: Answers, target: np.ndarray, *, discrete: bool, weights: np.ndarray | None = None
    ) -> DecisionFusion:
        """Learn from answers on rows that no model was fitted on. `target` [N]: class numbers when `discrete`, else
        real values. `weights` [N]: how much each row counts, 1 on average; all alike when not given."""

    @abstractmethod
    def fuse(self, answers: Answers) -> np.ndarray:
        """[N, K]. The order of the models is irrelevant; a model without an answer on a row is left out there."""

    def used(self, names: Iterable[str]) -> set[str]:
        """Those of the models that have a say in the answer: all, unless the rule learned otherwise."""
        return set(names)

    @abstractmethod
    def state(self) -> State: ...

    @classmethod
    @abstractmethod
    def restore(cls, state: State) -> DecisionFusion: ...
