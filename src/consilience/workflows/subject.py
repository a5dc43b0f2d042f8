"""What an audit is of: a model, rows that it was not fitted on, and what it is compared with. Asks nothing yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from consilience.bundle.model import Input
from consilience.core.limits import Limits
from consilience.explain.ablation import Subset
from consilience.models.base import Member
from consilience.models.view import View
from consilience.tasks.base import Task
from consilience.workflows.prepare import Part


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model that can be fitted again with fewer inputs."""

    name: str
    member: Member
    """As it was fitted on all of its inputs."""
    fit: Callable[[tuple[str, ...], float], Member]
    cpu_seconds: float
    """What one fit with all inputs took."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is audited: a model, and rows with targets that it was not fitted on."""

    name: str
    task: Task
    member: Member
    inputs: Mapping[str, Input]
    """All inputs there are, also those the model does not look at."""
    limits: Limits
    held: Part
    on: str
    """"validation", "test", or the name of a table."""
    train: Part | None = None
    valid: Part | None = None
    """Rows that rules over single inputs may learn from; the held rows themselves, where those are validation rows."""
    constant: np.ndarray | None = None
    """[K]: the answer that looks at nothing."""
    baseline: str = ""
    alone: Mapping[str, tuple[str, Member]] = field(default_factory=dict)
    """By input as users know it: the best model fitted on it alone, with its name."""
    recipe: Recipe | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The model and rows, as `explain` asks them."""

    member: Member
    view: View

    ways: Mapping[str, tuple[str, ...]]
    """By input as users know it: the inputs of the model that look at its cells."""

    @property
    def inputs(self) -> Sequence[str]:
        return tuple(self.ways)

    @property
    def rows(self) -> int:
        return len(self.view)

    def answers(self, kept: Subset) -> np.ndarray:
        return self.member.predict(
            self.view.without([n for name in self.ways if name not in kept for n in self.ways[name]])
        )

    def shuffled(self, name: str, order: np.ndarray) -> np.ndarray:
        return self.member.predict(self.view.shuffled(self.ways[name], order))
