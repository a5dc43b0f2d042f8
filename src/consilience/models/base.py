"""What learners and members of the leaderboard promise, and the block of features they share.

A learner sees each input as a `Block`: features of the distinct cells, and which cell each row has. What can be
computed per distinct cell is computed per distinct cell. Fitting may use other libraries; predicting is NumPy alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from consilience.core.state import State
from consilience.modalities.base import Features
from consilience.tasks.base import Task

if TYPE_CHECKING:
    from consilience.models.view import View  # which is made of Blocks


@dataclass(frozen=True, kw_only=True)
class Block:
    """One input as a learner sees it: features of U distinct cells, and the cell of each of N rows [N] int64."""

    features: Features
    index: np.ndarray
    measures: Features | None = None
    """Of the same cells, a few dense numbers beside sparse features (`Processor.measures`)."""

    def take(self, rows: np.ndarray) -> Block:
        return replace(self, index=self.index[rows])


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What to learn: target [N] (class numbers, or real values), number of answer columns, weight of each row [N]."""

    target: np.ndarray
    width: int
    discrete: bool
    weights: np.ndarray
    groups: np.ndarray | None = None
    """[N]: rows of one number (from 0) are not independent, -1 is on its own; None: nothing is known of that."""

    def take(self, rows: np.ndarray) -> Goal:
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, target=self.target[rows], weights=self.weights[rows], groups=groups)


class Learner(ABC):
    """A fitted classic model. Answers are [N, K] probabilities, or [N, 1] values in the target's unit."""

    Config: ClassVar[type]

    @classmethod
    @abstractmethod
    def fit(cls, config: Any, blocks: Mapping[str, Block], goal: Goal, *, seed: int, seconds: float) -> Learner:
        """Fit on all rows of `blocks`. Stays within about `seconds` on the clock by doing less (fewer trees,
        fewer iterations), never by dropping rows silently. A class without a row gets probability ~0, not an error."""

    @abstractmethod
    def predict(self, blocks: Mapping[str, Block]) -> np.ndarray:
        """[N, K] float64. A row's answer depends on that row alone; all inputs may be missing on any row."""

    def settled(self, config: Any) -> Any:
        """`config` with what this fit found out by itself written into it: to fit the same once more on other rows."""
        return config

    @abstractmethod
    def state(self) -> State: ...

    @classmethod
    @abstractmethod
    def restore(cls, state: State) -> Learner: ...


class Member(ABC):
    """A model that can stand on the leaderboard: rows in, answers out. What it is made of is its own business."""

    kind: ClassVar[str]
    inputs: tuple[str, ...]
    """Names of the inputs it looks at."""

    @abstractmethod
    def predict(self, view: View) -> np.ndarray:
        """Answers [N, K] float64 of the rows of `view`."""

    def made_of(self) -> tuple[str, ...]:
        """Names of the models on the leaderboard that it asks; none when it stands alone."""
        return ()

    @abstractmethod
    def state(self) -> State:
        """All of it, for a bundle."""

    @classmethod
    @abstractmethod
    def restore(cls, state: State, task: Task) -> Member: ...
