"""What a task promises: from raw target cells to numbers, from a model's scores to answers, and the loss between.

Answers are one array everywhere: [N, K] probabilities for classes, [N, 1] values in the target's own unit for numbers;
a task that asks for several things has the columns of all of them. Learners, networks, ensembles, metrics and
predictions all speak it. Encoded targets are [N]: class numbers or values; of a task that asks for several things
[N, S] float64, NaN where the answer is not known.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from consilience.tasks.cells import Line, from_one
from consilience.tasks.question import Question


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A metric that the user chose models to be chosen by."""

    name: str
    greater_is_better: bool
    balance: float = 0.0
    """How much of its frequency a class is relieved of when one is predicted: 0 leaves the probabilities to decide,
    under 1 every class counts alike."""


@dataclass(frozen=True, kw_only=True)
class Overlooked:
    """A class that is never predicted."""

    name: str
    rows: int
    """That have it."""
    of: int
    """Rows whose answer is known."""
    classes: int
    """That there are beside it, itself included."""


class Task(ABC):
    """A fitted task: it knows its classes, or the scale of its target."""

    kind: ClassVar[str]
    primary: str
    """The metric that chooses among models."""
    greater_is_better: bool
    criterion: Criterion | None = None
    """The metric that the user chose, which is then `primary`."""
    frequency: np.ndarray | None = None
    """[K]: the constant answer, where there is a criterion."""
    discrete: bool
    """Some of the answers are probabilities of classes."""

    baseline: ClassVar[str]
    """What `constant` is called."""
    many: ClassVar[bool] = False
    """The target may be several columns; cells are then tuples of their values, None where one is missing."""
    holds_others: ClassVar[bool] = False
    """It is made of other tasks, one for each column."""
    notes: Sequence[str] = ()
    """What the user should know of choices that were made while fitting."""
    reasons: Sequence[str] = ()
    """Which tasks it is made of, and why, where it `holds_others`."""
    reads_blank: bool = False
    """An empty target cell says something, rather than that the answer is not known."""
    Config: ClassVar[type]
    """Settings of the task: a frozen keyword-only dataclass with a default for every field."""

    # ------------------------------------------------------------------------------------------ raw target cells

    @classmethod
    @abstractmethod
    def claims(cls, cells: Sequence[Any]) -> str | None:
        """Why raw target cells (none missing) look like this task's, or None."""

    @classmethod
    def nearly(cls, cells: Sequence[Any]) -> str | None:
        """What to tell a user whose target was taken for another task's, though it may be meant for this one."""
        return None

    @classmethod
    def named(cls, config: Any) -> tuple[Any, ...]:
        """Labels that a config names."""
        return ()

    @property
    def numbers(self) -> tuple[bool, ...]:
        """Of each column of the target, whether all that it may hold are numbers."""
        return (not self.discrete,)

    @classmethod
    def blank_is_answer(cls, config: Any) -> bool:
        """Whether a task with this config `reads_blank`."""
        return False

    @classmethod
    @abstractmethod
    def fit(
        cls,
        cells: Sequence[Any],
        *,
        column: str,
        config: Any = None,
        line: Line = from_one,
        columns: Sequence[str] = (),
    ) -> Task:
        """Learn classes or scale from the raw training targets. Raises DataError, naming `column`, when impossible.

        `columns`: their names, where the target is several (`many`). `line`: what a user calls a cell's row.
        """

    @abstractmethod
    def encode(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> np.ndarray:
        """[N] int64 class numbers or float64 values, or [N, S]. Raises DataError naming row and value."""

    def opened(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> Task:
        """For rows to be scored: a task that also knows the labels that only these cells have, after its own. Answers
        give those probability 0 (`widen`), so such rows count as wrong."""
        return self

    def widen(self, answers: np.ndarray, known: Task) -> np.ndarray:
        """Answers of the task `known`, which this one was opened from, with zeros for every label it did not know."""
        return answers

    def closed(self, target: np.ndarray, opened: Task) -> tuple[np.ndarray, np.ndarray]:
        """Of a target that `opened` encoded: the rows of which this task knows something, and what it knows of them."""
        return np.arange(len(target)), target

    def chosen_by(self, criterion: Criterion, frequency: np.ndarray) -> Task:
        """This task, whose models are chosen by another metric, and whose classes are predicted as befits it.
        `frequency` [K]: its constant answer."""
        task = copy.copy(self)
        task.criterion, task.frequency = criterion, np.asarray(frequency, np.float64)
        task.primary, task.greater_is_better = criterion.name, criterion.greater_is_better
        return task

    def unknown_rows(self, target: np.ndarray, opened: Task) -> np.ndarray:
        """Of a target that `opened` encoded: the rows that have a label which this task does not know."""
        return np.setdiff1d(np.arange(len(target)), self.closed(target, opened)[0])

    # ------------------------------------------------------------------------------------------ answers

    @property
    @abstractmethod
    def width(self) -> int:
        """K: columns of an answer array."""

    @property
    def score_width(self) -> int:
        """Raw scores a head has for each row."""
        return self.width

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """K names for the columns of an answer array."""

    @property
    def probable(self) -> tuple[int, ...]:
        """The columns of an answer array that are probabilities."""
        return tuple(range(self.width)) if self.discrete else ()

    @property
    def questions(self) -> tuple[Question, ...]:
        """What learners are fitted to, and decision rules learn from."""
        return (Question(columns=slice(0, self.width), discrete=self.discrete, width=self.width),)

    @abstractmethod
    def constant(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """[K]: the best answer that looks at no input (class frequencies; the mean)."""

    @abstractmethod
    def cost(self, constant: np.ndarray) -> float:
        """Mean loss of the constant answer [K] where it is right: the unit that losses of several tasks have."""

    @abstractmethod
    def decode(self, answers: np.ndarray) -> list[Any]:
        """Answers [N, K] -> N predictions, of the type the target column had."""

    def predictions(self, answers: np.ndarray, *, nested: bool) -> dict[str, list[Any]]:
        """Columns of a table: what `decode` gives. Where cells are not `nested`, a cell is one number or text, in the
        form the target column had."""
        return {"prediction": [self.written(value, nested=nested) for value in self.decode(answers)]}

    def written(self, value: Any, *, nested: bool) -> Any:
        """One decoded prediction as a table's cell."""
        return value

    def overlooked(self, answers: np.ndarray, target: np.ndarray, *, fewest: int = 5) -> list[Overlooked]:
        """Classes that `fewest` rows or more have, and that not one of these answers [N, K] predicts."""
        return []

    @abstractmethod
    def merits(self, answers: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """[N] float64: how good each row's answer is, greater is better; their (weighted) mean orders models as
        `primary` does. Where `primary` is no mean over rows, a row's part in it by first-order influence."""

    # ------------------------------------------------------------------------------------------ training

    @abstractmethod
    def activate(self, scores: np.ndarray) -> np.ndarray:
        """A head's raw scores [N, score_width] -> answers [N, K]."""

    @abstractmethod
    def losses(
        self,
        scores: Any,
        target: Any,
        *,
        class_weights: Any = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
    ) -> Any:
        """The loss of each row [B] of a head's raw scores [B, score_width] against encoded targets (torch), times the
        weight of its class. Tasks that are not `discrete` are never given anything but the defaults."""

    def loss(self, scores: Any, target: Any, *, weights: Any = None, class_weights: Any = None, **how: float) -> Any:
        """Mean of `losses`; `weights` [B]: of rows, 1 on average over all training rows."""
        losses = self.losses(scores, target, class_weights=class_weights, **how)
        return (losses if weights is None else losses * weights).sum() / self.mass(target, class_weights)

    def mass(self, target: Any, class_weights: Any = None) -> Any:
        """What the mean loss of these rows is a mean over."""
        return len(target)

    def class_weights(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray | None:
        """[K] weights under which every class counts alike, however rare; None where there are no classes."""
        return None

    @abstractmethod
    def strata(self, target: np.ndarray) -> np.ndarray:
        """[N] int64 what a split keeps in proportion: classes, or tenths of the rows by value."""

    def remarks(self, target: np.ndarray) -> list[str]:
        """What is odd about the training targets, in words."""
        return []

    # ------------------------------------------------------------------------------------------ on disk

    @abstractmethod
    def meta(self) -> dict[str, Any]:
        """JSON that `restore` builds an equal task from."""

    @classmethod
    @abstractmethod
    def restore(cls, meta: dict[str, Any]) -> Task: ...

    def _choice(self) -> dict[str, Any]:
        """What `meta` says of the criterion."""
        if self.criterion is None or self.frequency is None:
            return {}
        return {"criterion": asdict(self.criterion), "frequency": self.frequency.tolist()}

    def _as_chosen(self, meta: dict[str, Any]) -> Any:
        """This task with the criterion that its `meta` had."""
        if "criterion" not in meta:
            return self
        return self.chosen_by(Criterion(**meta["criterion"]), np.array(meta["frequency"], np.float64))
