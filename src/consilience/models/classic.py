"""A classic model: one learner on the hand-made features of one input, or of several joined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consilience.core.config import Part
from consilience.core.state import State
from consilience.models.base import Goal, Learner, Member
from consilience.models.learners import LEARNERS
from consilience.models.view import View
from consilience.tasks.base import Task


class Classic(Member):
    kind = "classic"

    def __init__(self, learner: Learner, *, kind: str, inputs: Sequence[str]) -> None:
        self.learner, self.learner_kind, self.inputs = learner, kind, tuple(inputs)

    def predict(self, view: View) -> np.ndarray:
        return self.learner.predict(view.blocks(self.inputs))

    def state(self) -> State:
        state = self.learner.state()
        meta = {"learner": self.learner_kind, "inputs": list(self.inputs), "state": state.meta}
        return State(arrays=state.arrays, meta=meta)

    @classmethod
    def restore(cls, state: State, task: Task) -> Classic:
        kind = state.meta["learner"]
        learner = LEARNERS.load(kind).restore(State(arrays=state.arrays, meta=state.meta["state"]))
        return cls(learner, kind=kind, inputs=state.meta["inputs"])


def fit_classic(
    learner: Part, view: View, target: np.ndarray, task: Task, *, inputs: Sequence[str], seed: int, seconds: float
) -> Classic:
    goal = Goal(target=target, width=task.width, discrete=task.discrete, weights=np.ones(len(target)))
    fitted = LEARNERS.load(learner.kind).fit(learner.config, view.blocks(inputs), goal, seed=seed, seconds=seconds)
    return Classic(fitted, kind=learner.kind, inputs=inputs)
