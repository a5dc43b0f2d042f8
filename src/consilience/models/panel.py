"""A task that asks for several things, reduced to one plain learner for each (binary relevance; one for each target).

Knows questions (tasks/question.py) and learners by their promises.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from consilience.core.config import Part
from consilience.core.seeding import derive
from consilience.core.state import State
from consilience.models.base import Block, Goal, Learner
from consilience.models.learners import LEARNERS
from consilience.tasks.base import Task
from consilience.tasks.question import Question


def fit_learner(
    learner: Part,
    blocks: Mapping[str, Block],
    target: np.ndarray,
    task: Task,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int,
    seconds: float,
) -> Learner | Panel:
    """The learner fitted to all that the task asks for; `weights` [N] of the rows, `groups` [N] of those that are not
    independent."""
    kind: type[Learner] = LEARNERS.load(learner.kind)
    weights = np.ones(len(target)) if weights is None else weights
    groups = np.full(len(target), -1) if groups is None else groups
    first = task.questions[0]
    if first.place is None:
        goal = Goal(target=target, width=first.width, discrete=first.discrete, weights=weights, groups=groups)
        return kind.fit(learner.config, blocks, goal, seed=seed, seconds=seconds)
    fitted: list[Learner | None] = []
    begun = time.monotonic()
    for number, question in enumerate(task.questions):
        left = seconds - (time.monotonic() - begun)
        share = max(left, 0.0) / (len(task.questions) - number)
        rows, own = question.goal(target)
        if not weights[rows].sum() > 0:  # nothing is known of it: its constant answer
            fitted.append(None)
            continue
        told = {"weights": weights[rows], "groups": groups[rows]}
        goal = Goal(target=own, width=question.width, discrete=question.discrete, **told)
        some = {name: block.take(rows) for name, block in blocks.items()}
        fitted.append(kind.fit(learner.config, some, goal, seed=derive(seed, "question", str(number)), seconds=share))
    return Panel(fitted, task.questions, otherwise=task.constant(target, weights))


class Panel:
    """One learner for each question, answering side by side; where there is none, the constant answer."""

    def __init__(
        self, learners: Sequence[Learner | None], questions: Sequence[Question], *, otherwise: np.ndarray
    ) -> None:
        self.learners, self.questions, self.otherwise = tuple(learners), tuple(questions), otherwise

    def predict(self, blocks: Mapping[str, Block]) -> np.ndarray:
        rows = len(next(iter(blocks.values())).index)
        out = np.tile(self.otherwise, (rows, 1))
        for learner, question in zip(self.learners, self.questions, strict=True):
            if learner is not None:
                out[:, question.columns] = question.tell(learner.predict(blocks))
        return out

    def state(self) -> State:
        states = [None if learner is None else learner.state() for learner in self.learners]
        arrays = {"otherwise": self.otherwise}
        for number, state in enumerate(states):
            if state is not None:
                arrays |= state.within(f"q{number}").arrays
        return State(arrays=arrays, meta={"questions": [None if s is None else s.meta for s in states]})

    @classmethod
    def restore(cls, state: State, task: Task, *, kind: str) -> Panel:
        """`kind`: of the learners."""
        learner: type[Learner] = LEARNERS.load(kind)
        learners = [
            None if meta is None else learner.restore(state.under(f"q{number}", meta))
            for number, meta in enumerate(state.meta["questions"])
        ]
        return cls(learners, task.questions, otherwise=state.arrays["otherwise"])
