"""Candidates: what a preset tries, fitted one after the other or several at a time, and never twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.progress import Deadline, Reporter
from consilience.models.base import Member
from consilience.tasks.base import Task
from consilience.workflows import kept, side_by_side


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something to fit: a name for the leaderboard, and how to fit it in some seconds."""

    name: str
    preset: str
    fusion: str | None
    inputs: tuple[str, ...]
    fit: Callable[[Deadline, Path, Reporter], tuple[Member, dict[str, Any]]]
    """Deadline, a folder of its own, whom it tells -> the member and facts about its training (learning curves). What
    it leaves in the folder it finds there again, should it be cut off; it then goes on, to the same end."""
    share: float
    """How much of the time that is left it may take, 0 to 1."""
    refit: Callable[[Member, float], Member] | None = None
    """(what `fit` made, seconds) -> the same model, fitted on training and validation rows together."""
    fold: Callable[[Member, np.ndarray, float], Member] | None = None
    """(what `fit` made, row numbers of the training part, seconds) -> the same model, fitted on those rows only."""
    subset: Callable[[tuple[str, ...], float], Member] | None = None
    """(inputs, seconds) -> the same model, fitted on these inputs only."""
    one_of_several: bool = False
    """Whether it stands among others like it, each of which is fitted well enough by one thread."""
    first: Callable[[], None] | None = None
    """What is done once before several are fitted at the same time, so that each need not do it."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Fits candidates, and keeps each in a folder of its own (kept.py): one that is there is not fitted again."""

    task: Task
    folder: Path
    """Of the candidates' folders."""
    left: Callable[[], float]
    """Seconds that are left for candidates."""
    least: float
    """Seconds below which none is begun."""
    at_once: int
    """How many of those that are `one_of_several` are fitted at the same time."""
    reporter: Reporter

    def fit(self, candidates: Iterable[Candidate]) -> Iterator[tuple[Candidate, kept.Kept | None]]:
        """Each with what came of it, in order; None where there was no time. Raises KeyboardInterrupt on Ctrl-C, after
        those that were fitted by then."""
        names: set[str] = set()
        for several, group in groupby(candidates, key=lambda candidate: candidate.one_of_several):
            some = list(group)
            for candidate in some:  # of two of one name the second would be taken for the first
                assert candidate.name not in names, candidate.name
                names.add(candidate.name)
            together = several and self.at_once > 1 and side_by_side.possible()
            whole = not together or self._together(some)
            for candidate in some:
                if whole:
                    yield candidate, self._one(candidate, self.reporter)
                elif (known := self._kept(candidate)) is not None:
                    yield candidate, known
            if not whole:
                raise KeyboardInterrupt

    def _together(self, some: Sequence[Candidate]) -> bool:
        """Fit them side by side; what came of each is in its folder. Whether they came to their end."""
        pieces: dict[str, side_by_side.Piece] = {}
        if some[0].first is not None and self.left() > self.least:
            some[0].first()
        for start in range(0, len(some), self.at_once):
            beside = some[start : start + self.at_once]
            share = beside[0].share * len(beside)  # time is shared with those that come after, not with these
            pieces |= {c.name: partial(self._one, c, share=share) for c in beside if self._kept(c) is None}
        return side_by_side.do(pieces, at_once=self.at_once, label="training", reporter=self.reporter)

    def _one(self, candidate: Candidate, reporter: Reporter, *, share: float | None = None) -> kept.Kept | None:
        """The candidate as it was kept, or else fitted in its `share` of the seconds that are left. None when there are
        none left, unless it was begun: then it ends with what it has."""
        if (known := self._kept(candidate)) is not None:
            return known
        left, folder = self.left(), kept.folder_of(self.folder, candidate.name)
        if left <= self.least and not kept.begun(folder):
            return None
        cpu, share = time.process_time(), min(1.0, share or candidate.share)
        member, facts = candidate.fit(Deadline(max(left, 1e-3) * share), folder, reporter)
        spent = time.process_time() - cpu + facts.get("earlier_cpu_seconds", 0.0)
        fresh = kept.Kept(member=member, facts=facts, cpu_seconds=spent)
        kept.keep(folder, fresh)
        return fresh

    def _kept(self, candidate: Candidate) -> kept.Kept | None:
        return kept.find(kept.folder_of(self.folder, candidate.name), self.task)
