"""A decision rule for a task that asks for several things: one rule for each pool of questions that are alike.

Knows questions (tasks/question.py) and rules by their promises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from consilience.core.config import Part
from consilience.core.state import State
from consilience.fusion import DECISION_FUSIONS
from consilience.fusion.base import Answers, DecisionFusion
from consilience.tasks.base import Task
from consilience.tasks.question import Question


def fit_rule(
    rule: Part, answers: Answers, target: np.ndarray, task: Task, *, weights: np.ndarray | None = None
) -> DecisionFusion | Pooled:
    """The rule learned for all that the task asks for. `answers` and `target` are of rows that no model was fitted on;
    `weights` [N] of the rows."""
    kind: type[DecisionFusion] = DECISION_FUSIONS.load(rule.kind)
    first = task.questions[0]
    if first.place is None:
        return kind.fit(rule.config, answers, target, discrete=first.discrete, weights=weights)
    rules = {}
    for pool, questions in _pools(task.questions).items():
        goals = [q.goal(target) for q in questions]
        posed = {n: np.concatenate([_posed(a, q, g[0]) for q, g in zip(questions, goals, strict=True)])
                 for n, a in answers.items()}  # fmt: skip
        own = None if weights is None else np.concatenate([weights[rows] for rows, _ in goals])
        truth = np.concatenate([values for _, values in goals])
        rules[pool] = kind.fit(rule.config, posed, truth, discrete=questions[0].discrete, weights=own)
    return Pooled(rules, task)


def says(rule: DecisionFusion | Pooled, names: Iterable[str]) -> Mapping[str, float]:
    """How much of a say each model has: in the bag of every pool, added up; 1 for a rule that does not count."""
    rules = rule.rules.values() if isinstance(rule, Pooled) else [rule]
    total: Counter[str] = Counter()
    names = list(names)
    for one in rules:
        counts = getattr(one, "counts", None) or dict.fromkeys(one.used(names), 1.0)
        for name in names:
            total[name] += counts.get(name, 0.0)
    return total


class Pooled:
    """Answers like one rule."""

    def __init__(self, rules: Mapping[int, DecisionFusion], task: Task) -> None:
        self.rules, self.task = dict(rules), task

    def fuse(self, answers: Answers) -> np.ndarray:
        rows = len(next(iter(answers.values())))
        out = np.empty((rows, self.task.width))
        every = np.arange(rows)
        for pool, questions in _pools(self.task.questions).items():
            posed = {n: np.concatenate([_posed(a, q, every) for q in questions]) for n, a in answers.items()}
            fused = np.split(self.rules[pool].fuse(posed), len(questions))
            for question, plain in zip(questions, fused, strict=True):
                out[:, question.columns] = question.tell(plain)
        return out

    def used(self, names: Iterable[str]) -> set[str]:
        names = list(names)
        return set().union(*(rule.used(names) for rule in self.rules.values()))

    def state(self) -> State:
        states = {pool: rule.state() for pool, rule in self.rules.items()}
        arrays: dict[str, np.ndarray] = {}
        for pool, state in states.items():
            arrays |= state.within(f"p{pool}").arrays
        return State(arrays=arrays, meta={"pools": [[pool, state.meta] for pool, state in states.items()]})


def restore_rule(kind: str, state: State, task: Task) -> DecisionFusion | Pooled:
    rule: type[DecisionFusion] = DECISION_FUSIONS.load(kind)
    if task.questions[0].place is None:
        return rule.restore(state)
    return Pooled({p: rule.restore(state.under(f"p{p}", meta)) for p, meta in state.meta["pools"]}, task)


def _pools(questions: Sequence[Question]) -> dict[int, list[Question]]:
    pools: dict[int, list[Question]] = {}
    for question in questions:
        pools.setdefault(question.pool, []).append(question)
    return pools


def _posed(answers: np.ndarray, question: Question, rows: np.ndarray) -> np.ndarray:
    return question.pose(np.asarray(answers, np.float64)[rows])
