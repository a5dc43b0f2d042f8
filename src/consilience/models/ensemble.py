"""Several members and a rule that makes one answer of theirs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consilience.core.state import State
from consilience.fusion import DECISION_FUSIONS
from consilience.fusion.base import DecisionFusion
from consilience.models import MEMBERS
from consilience.models.base import Member
from consilience.models.view import View
from consilience.tasks.base import Task


class Ensemble(Member):
    kind = "ensemble"

    def __init__(self, members: Mapping[str, Member], rule: DecisionFusion, *, kind: str) -> None:
        """`kind`: the rule's name among the decision fusions."""
        self.members, self.rule, self.rule_kind = dict(members), rule, kind
        self.inputs = tuple(sorted({name for member in members.values() for name in member.inputs}))

    def predict(self, view: View) -> np.ndarray:
        return self.rule.fuse({name: member.predict(view) for name, member in self.members.items()})

    def pruned(self) -> Ensemble:
        """Without the members that the rule gives no say: they would only cost time."""
        return Ensemble(
            {n: m for n, m in self.members.items() if n in self.rule.used(self.members)}, self.rule, kind=self.rule_kind
        )

    def state(self) -> State:
        rule = self.rule.state()
        arrays = {f"rule.{key}": value for key, value in rule.arrays.items()}
        parts = []
        for number, (name, member) in enumerate(self.members.items()):
            state = member.state()
            arrays |= {f"{number}.{key}": value for key, value in state.arrays.items()}
            parts.append({"name": name, "kind": member.kind, "state": state.meta})
        return State(arrays=arrays, meta={"rule": {"kind": self.rule_kind, "state": rule.meta}, "members": parts})

    @classmethod
    def restore(cls, state: State, task: Task) -> Ensemble:
        members = {
            part["name"]: MEMBERS.load(part["kind"]).restore(_under(state, str(number), part["state"]), task)
            for number, part in enumerate(state.meta["members"])
        }
        rule = state.meta["rule"]
        fitted = DECISION_FUSIONS.load(rule["kind"]).restore(_under(state, "rule", rule["state"]))
        return cls(members, fitted, kind=rule["kind"])


def _under(state: State, prefix: str, meta: dict[str, object]) -> State:
    start = prefix + "."
    arrays = {key[len(start) :]: value for key, value in state.arrays.items() if key.startswith(start)}
    return State(arrays=arrays, meta=meta)
