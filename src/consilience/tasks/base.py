"""What a task promises: from raw target cells to numbers, from a model's scores to answers, and the loss between.

Answers are one array everywhere: [N, K] probabilities for classes, [N, 1] values in the target's own unit for numbers.
Learners, networks, ensembles, metrics and predictions all speak it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np


class Task(ABC):
    """A fitted task: it knows its classes, or the scale of its target."""

    kind: ClassVar[str]
    primary: ClassVar[str]
    """The metric that chooses among models."""
    greater_is_better: ClassVar[bool]
    discrete: ClassVar[bool]
    """Targets are class numbers (learners fit classifiers) rather than real values (learners fit regressors)."""

    baseline: ClassVar[str]
    """What `constant` is called."""

    @classmethod
    @abstractmethod
    def claims(cls, cells: Sequence[Any]) -> str | None:
        """Why raw target cells (none missing) look like this task's, or None."""

    @classmethod
    @abstractmethod
    def fit(cls, cells: Sequence[Any], *, column: str) -> Task:
        """Learn classes or scale from the raw training targets. Raises DataError, naming `column`, when impossible."""

    @abstractmethod
    def encode(self, cells: Sequence[Any], *, column: str) -> np.ndarray:
        """[N] int64 class numbers or float64 values. Raises DataError naming row and value."""

    @abstractmethod
    def encode_open(self, cells: Sequence[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
        """Like `encode`, for rows to be scored: labels that training never saw get numbers from K on. Also the names
        of all columns, the new ones last: answers give those probability 0, so such rows count as wrong."""

    @property
    @abstractmethod
    def width(self) -> int:
        """K: columns of an answer array, and of a head's scores."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """K names for the columns of an answer array."""

    @abstractmethod
    def constant(self, target: np.ndarray) -> np.ndarray:
        """[K]: the best answer that looks at no input (class frequencies; the mean)."""

    @abstractmethod
    def activate(self, scores: np.ndarray) -> np.ndarray:
        """A head's raw scores [N, K] -> answers [N, K]."""

    @abstractmethod
    def loss(
        self,
        scores: Any,
        target: Any,
        *,
        class_weights: Any = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
    ) -> Any:
        """Mean loss of a head's raw scores [B, K] against encoded targets [B] (torch). Tasks that are not `discrete`
        are never given anything but the defaults."""

    @abstractmethod
    def merits(self, answers: np.ndarray, target: np.ndarray) -> np.ndarray:
        """[N] float64: how good each row's answer is, greater is better; their mean orders models as `primary` does."""

    @abstractmethod
    def decode(self, answers: np.ndarray) -> list[Any]:
        """Answers [N, K] -> N predictions, of the type the target column had."""

    @abstractmethod
    def meta(self) -> dict[str, Any]:
        """JSON that `restore` builds an equal task from."""

    @classmethod
    @abstractmethod
    def restore(cls, meta: dict[str, Any]) -> Task: ...
