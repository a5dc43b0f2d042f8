"""Several members and a rule that makes one answer of theirs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consilience.core.state import State
from consilience.fusion.base import DecisionFusion
from consilience.models import MEMBERS
from consilience.models.base import Member
from consilience.models.pooled import Pooled, restore_rule
from consilience.models.view import View
from consilience.tasks.base import Task


class Ensemble(Member):
    kind = "ensemble"

    def __init__(self, members: Mapping[str, Member], rule: DecisionFusion | Pooled, *, kind: str) -> None:
        """`kind`: the rule's name among the decision fusions."""
        self.members, self.rule, self.rule_kind = dict(members), rule, kind
        self.inputs = tuple(sorted({name for member in members.values() for name in member.inputs}))

    def predict(self, view: View) -> np.ndarray:
        return self.rule.fuse({name: member.predict(view) for name, member in self.members.items()})

    def made_of(self) -> tuple[str, ...]:
        return tuple(self.members)

    def pruned(self) -> Ensemble:
        """Without the members that the rule gives no say: they would only cost time."""
        return Ensemble(
            {n: m for n, m in self.members.items() if n in self.rule.used(self.members)}, self.rule, kind=self.rule_kind
        )

    def state(self) -> State:
        parts = {"rule": self.rule.state(), **{str(n): m.state() for n, m in enumerate(self.members.values())}}
        arrays: dict[str, np.ndarray] = {}
        files: dict[str, bytes] = {}
        for prefix, part in parts.items():
            arrays |= part.within(prefix).arrays
            files |= part.within(prefix).files
        members = [
            {"name": name, "kind": member.kind, "state": parts[str(number)].meta}
            for number, (name, member) in enumerate(self.members.items())
        ]
        meta = {"rule": {"kind": self.rule_kind, "state": parts["rule"].meta}, "members": members}
        return State(arrays=arrays, meta=meta, files=files)

    @classmethod
    def restore(cls, state: State, task: Task) -> Ensemble:
        members = {
            part["name"]: MEMBERS.load(part["kind"]).restore(state.under(str(number), part["state"]), task)
            for number, part in enumerate(state.meta["members"])
        }
        rule = state.meta["rule"]
        fitted = restore_rule(rule["kind"], state.under("rule", rule["state"]), task)
        return cls(members, fitted, kind=rule["kind"])
