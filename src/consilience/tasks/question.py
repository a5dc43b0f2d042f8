"""What a task asks for, in pieces that every learner and every decision rule understands: one class, or one number.

A task that asks for one thing is one question, which is the whole of it. A task that asks for several (labels that are
each there or not, several targets) is reduced to several: a model is fitted for each (binary relevance: Tsoumakas &
Katakis 2007), and a decision rule for each pool of questions that are alike, from the rows of all of them.

Shape legend: N rows, K answer columns of the task, M rows of the plain question.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Question:
    """Plain answers are [M, width]: probabilities that sum to 1, or one number."""

    columns: slice
    """Of the task's answers. One column under a `width` of 2 is the probability of yes."""
    discrete: bool
    width: int
    place: int | None = None
    """Column of the encoded target [N, S]; None where that is [N]: then this question is the whole task."""
    pool: int = 0
    """Questions of one pool are alike: what a rule learns from one holds for all."""

    def pose(self, answers: np.ndarray) -> np.ndarray:
        """The task's answers [N, K] -> plain answers [N, width]."""
        own = answers[:, self.columns]
        return np.concatenate([1.0 - own, own], axis=1) if self._yes_or_no else own

    def tell(self, plain: np.ndarray) -> np.ndarray:
        """Plain answers [N, width] -> the task's columns of them."""
        return plain[:, 1:] if self._yes_or_no else plain

    def goal(self, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows whose answer is known, and their plain targets [M]: class numbers, or real values."""
        own = target if self.place is None else target[:, self.place]
        known = np.flatnonzero(~np.isnan(own))
        return known, own[known].astype(np.int64 if self.discrete else np.float64)

    def moved(self, *, columns: int, place: int, pool: int) -> Question:
        """The same question within a larger task, whose answers and targets have these many columns before its own."""
        mine = slice(self.columns.start + columns, self.columns.stop + columns)
        return replace(self, columns=mine, place=place + (self.place or 0), pool=pool + self.pool)

    @property
    def _yes_or_no(self) -> bool:
        return self.width == 2 and self.columns.stop - self.columns.start == 1
