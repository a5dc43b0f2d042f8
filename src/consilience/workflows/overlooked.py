"""What is wrong with answers though their score may look right: a class that is never predicted, a model that is no
better than knowing nothing. Knows tasks by their promise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consilience.evaluate import METRICS, metric_set
from consilience.tasks.base import Task
from consilience.workflows.leaderboard import Entry
from consilience.workflows.prepare import Part, Prepared

_REMEDIES = ("balanced_accuracy", "f1", "average_precision")
_SHOWN = 5


def never_predicted(task: Task, answers: np.ndarray, target: np.ndarray, *, where: str) -> list[str]:
    """One warning of the rare classes that some rows have and no answer [N, K] names: of classes that are about as
    frequent as the others chance decides whether one is named, all the more so where every row has the same answer."""
    same = len(answers) and (answers == answers[0]).all()
    rarer = 0.5 if same else 0.75
    found = [one for one in task.overlooked(answers, target) if one.rows * one.classes < one.of * rarer]
    if not found:
        return []
    shown = "; ".join(f"{o.name!r} ({o.rows:,} of {o.of:,} rows, {o.rows / o.of:.1%})" for o in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return [f"never predicted on the {where} rows, though they have it: {shown}{more}. {remedy(task)}".rstrip()]


def remedy(task: Task) -> str:
    """What to do where a rare class is lost."""
    known = METRICS.load(task.kind).choices(task)
    own = next((m.name, *m.aliases) for m in metric_set(task).metrics if m.name == task.primary)
    others = [name for name in _REMEDIES if name in known and name not in own]
    if not others:
        return ""
    return f"If it matters, train with --metric {' or '.join(others)}, under which a rare class counts more"


def of_fit(prepared: Prepared, best: Entry, nothing: Entry, sides: Mapping[str, tuple[Part, np.ndarray]]) -> list[str]:
    """Warnings at the end of a fit. `nothing`: the entry that looks at no input; `sides`: rows that no model was fitted
    on, and the best one's answers to them, by what they are called."""
    task, lost = prepared.task, list[str]()
    for where, (part, answers) in sides.items():
        rows, target, _ = part.learnable()
        lost = lost or never_predicted(task, answers[rows], target, where=where)
    return lost + _no_better(task, best, nothing, uneven=bool(lost))


def _no_better(task: Task, best: Entry, nothing: Entry, *, uneven: bool) -> list[str]:
    mine, theirs = (entry.metrics[task.primary]["value"] for entry in (best, nothing))
    if mine is None or theirs is None or (mine > theirs if task.greater_is_better else mine < theirs):
        return []
    if theirs == float(task.greater_is_better):  # perfect: on these rows there is nothing to be better at
        return []
    if best.name == nothing.name:
        who, value = "no model is clearly", f"{theirs:.4g}"
    else:
        who, value = f"{best.name} is not", f"{mine:.4g} against {theirs:.4g}"
    rare = ", or this metric does not see rare classes" if uneven else ""
    return [
        f"{who} better than an answer that looks at no input ({nothing.name}): {task.primary} {value} on validation "
        f"rows. Perhaps the inputs say nothing of the target, or the rows are too few{rare}"
    ]
