"""What a fit is going to do in its time budget, in words; and when nothing is left that could win. Fits nothing."""

from __future__ import annotations

from collections.abc import Sequence

from consilience.bundle.model import Input, same_cells
from consilience.tasks.base import Task
from consilience.workflows.candidates import Candidate
from consilience.workflows.config import RunConfig
from consilience.workflows.leaderboard import Entry, unbeatable
from consilience.workflows.prepare import Prepared

_MOST = 8
"""Names that are listed."""


def plan(
    candidates: Sequence[Candidate], prepared: Prepared, config: RunConfig, *, used: float, left: float
) -> list[str]:
    """The lines to say before the first candidate. `used`: seconds until now; `left`: seconds for candidates."""
    inputs, rows = _once(prepared), len(prepared.parts["train"].target)
    columns = len({column for given in inputs for column in given.plan.columns})
    said = (
        f"plan: {rows:,} training rows, {_counted(columns, 'column')} in {_counted(len(inputs), 'input')}; of the time "
        f"budget of {config.time_budget:.0f} s, {used:.0f} s went into reading and {max(0.0, left):.0f} s are for "
        "training, the rest for the test, the audit and the files"
    )
    shares, open_share = [], 1.0
    for candidate in candidates:
        shares.append(open_share * candidate.share)
        open_share -= shares[-1]
    longest = max(shares, default=0.0) * max(0.0, left)
    lines = [said]
    if candidates:
        names = listed([candidate.name for candidate in candidates])
        lines.append(f"plan: {len(candidates):,} models in this order, each at most about {longest:.1f} s: {names}")
    if config.pretrained is not None and not prepared.pretrained:
        lines.append("plan: no pretrained backbone, as none was named (--backbone KEY=WEIGHTS) or found")
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("s" if count != 1 else "")


def _once(prepared: Prepared) -> list[Input]:
    """The inputs, each in one of the ways in which it is looked at."""
    return [prepared.inputs[names[0]] for names in same_cells(prepared.inputs).values()]


def settled(entries: Sequence[Entry], candidates: Sequence[Candidate], task: Task, *, preset: str) -> str | None:
    """The name of a model that no other could beat, or None.

    Not before each input has been tried alone, where that is planned: what an input is worth, and whether it leaks, is
    said by comparing them. And not before something of the `preset` itself, where all so far was there to compare with.
    """
    tried = {entry.name for entry in entries}
    some = [(c.inputs, c.name in tried) for c in candidates if len(c.inputs) == 1]
    own = [c.name in tried for c in candidates if c.preset == preset]
    if {inputs for inputs, _ in some} != {inputs for inputs, done in some if done} or (own and not any(own)):
        return None
    return next((entry.name for entry in entries if unbeatable(entry, task)), None)


def listed(names: Sequence[str]) -> str:
    """The names; of very many the first ones, and how many there are."""
    more = f" and {len(names) - _MOST:,} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
