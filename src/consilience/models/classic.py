"""A classic model: one learner on the hand-made features of one input, or of several joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from consilience.core.config import Part
from consilience.core.state import State
from consilience.models.base import Learner, Member
from consilience.models.learners import LEARNERS
from consilience.models.panel import Panel, fit_learner
from consilience.models.view import View
from consilience.tasks.base import Task


class Classic(Member):
    kind = "classic"

    def __init__(self, learner: Learner | Panel, *, kind: str, inputs: Sequence[str]) -> None:
        self.learner, self.learner_kind, self.inputs = learner, kind, tuple(inputs)

    def predict(self, view: View) -> np.ndarray:
        return self.learner.predict(view.blocks(self.inputs))

    def settled(self, learner: Part) -> Part:
        """The part it was fitted by, with what the fit found out by itself written into the settings."""
        if isinstance(self.learner, Panel):  # each of its learners found something else
            return learner
        return replace(learner, config=self.learner.settled(learner.config))

    def state(self) -> State:
        state = self.learner.state()
        meta = {"learner": self.learner_kind, "inputs": list(self.inputs), "state": state.meta}
        return State(arrays=state.arrays, meta=meta)

    @classmethod
    def restore(cls, state: State, task: Task) -> Classic:
        kind, own = state.meta["learner"], State(arrays=state.arrays, meta=state.meta["state"])
        whole = task.questions[0].place is None
        learner = LEARNERS.load(kind).restore(own) if whole else Panel.restore(own, task, kind=kind)
        return cls(learner, kind=kind, inputs=state.meta["inputs"])


def fit_classic(
    learner: Part,
    view: View,
    target: np.ndarray,
    task: Task,
    *,
    inputs: Sequence[str],
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int,
    seconds: float,
) -> Classic:
    """`weights` [N] of the rows; all alike when not given. `groups` [N] of rows that are not independent (`Goal`)."""
    told = {"weights": weights, "groups": groups}
    fitted = fit_learner(learner, view.blocks(inputs), target, task, **told, seed=seed, seconds=seconds)
    return Classic(fitted, kind=learner.kind, inputs=inputs)
