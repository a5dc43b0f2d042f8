"""Several targets at once, each with a task of its own. Knows tasks by their promise; knows no input.

Shared encoders and one fusion, one head for each target: a head's scores stand side by side. The loss is the sum of the
targets' losses, each divided by what its constant answer costs, so that no target outweighs another by its unit; and
times `weights`, where the user gave some. A row teaches those targets that it has. Classic learners and decision rules
are fitted for each target by itself, to the rows that have it.
The primary metric is the mean over targets of how far each is from its constant answer (0) to perfect answers (1) by
its own primary metric, errors squared: for a number that is R² against the training mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from consilience.core.config import Part
from consilience.core.errors import DataError, unknown
from consilience.tasks import TASKS
from consilience.tasks.base import Overlooked, Task
from consilience.tasks.cells import Line, from_one
from consilience.tasks.choose import AUTO, blank_is_answer, choose, settings
from consilience.tasks.question import Question


def _nowhere() -> slice:
    return slice(0, 0)


@dataclass(frozen=True, kw_only=True)
class Target:
    """One of the targets."""

    name: str
    task: Task
    weight: float
    """How much its loss counts."""
    unit: float
    """What its constant answer costs, times the share of the rows that have it."""
    constant: np.ndarray
    """The answer that looks at nothing."""
    columns: slice = field(default_factory=_nowhere)
    """Of the answers, of the scores, and of the encoded targets."""
    scores: slice = field(default_factory=_nowhere)
    places: slice = field(default_factory=_nowhere)

    def truth(self, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows of [N, S] that have it, and its own encoded target."""
        own = target[:, self.places]
        known = np.flatnonzero(~np.isnan(own).all(1))
        own = own[known]
        if len(self.task.questions) > 1 or self.task.questions[0].place is not None:
            return known, own
        return known, own[:, 0].astype(np.int64 if self.task.discrete else np.float64)


class Several(Task):
    """A column for every target in what it predicts. Targets may be missing on any row, but not all of them."""

    kind = "several"
    primary = "score"
    greater_is_better = True
    baseline = "constant answers"
    many = True
    holds_others = True

    @dataclass(frozen=True, kw_only=True)
    class Config:
        each: Any = AUTO
        """The task of every target that `of` does not name: a kind, or {kind, its settings}; "auto" looks at it."""
        of: dict[str, Any] = field(default_factory=dict)
        """By target: its own task, as in `each`."""
        weights: dict[str, float] = field(default_factory=dict)
        """By target: how much its loss counts; 1 where none is named. Networks alone share anything."""

        def __post_init__(self) -> None:
            problems: list[str] = []
            for path, raw in [("each", self.each), *((f"of.{name}", raw) for name, raw in self.of.items())]:
                if not isinstance(raw, Part):
                    settings(raw, path, problems)
            problems += [f"weights.{n}: must be above 0, not {w}" for n, w in self.weights.items() if not w > 0]
            if problems:
                raise ValueError("; ".join(problems))

    def __init__(self, targets: Sequence[Target], *, notes: Sequence[str] = (), reasons: Sequence[str] = ()) -> None:
        self.targets = tuple(_placed(targets))
        self.notes, self.reasons = tuple(notes), tuple(reasons)
        self.discrete = any(t.task.discrete for t in self.targets)
        twice = [name for name in dict.fromkeys(self.names) if self.names.count(name) > 1]
        if twice:
            raise DataError(
                f"targets {', '.join(t.name for t in self.targets)}: two answers would both be called {twice[0]!r}; "
                "rename one of the columns"
            )

    @property
    def numbers(self) -> tuple[bool, ...]:
        return tuple(all(target.task.numbers) for target in self.targets)

    @classmethod
    def claims(cls, cells: Sequence[Any]) -> str | None:
        return None  # several columns are several because the user named them

    @classmethod
    def fit(
        cls,
        cells: Sequence[Any],
        *,
        column: str,
        config: Any = None,
        line: Line = from_one,
        columns: Sequence[str] = (),
    ) -> Several:
        config = config or cls.Config()
        if len(columns) < 2:
            raise DataError(
                f"column {column!r}: one target is not several; name more (--target a,b), or another --task"
            )
        for name in [*config.of, *config.weights]:
            if name not in columns:
                raise DataError(f"task of several targets: {unknown('target', name, columns)}")
        targets: list[Target] = []
        notes: list[str] = []
        reasons: list[str] = []
        for place, name in enumerate(columns):
            part = _part(config.of.get(name, config.each))
            if part.kind != AUTO and TASKS.load(part.kind).holds_others:
                raise DataError(f"target {name!r}: several targets cannot be within several; give it another task")
            blank = blank_is_answer(part)
            known = [row for row, cell in enumerate(cells) if blank or cell[place] is not None]
            if not known:
                raise DataError(f"target {name!r}: no row has a value of it; leave it out of --target")
            mine = [cells[row][place] for row in known]

            def place_of(row: int, known: list[int] = known) -> int:
                return line(known[row])

            chosen = choose(part, mine, column=name, line=place_of)
            notes += chosen.notes
            reasons.append(f"{name!r}: {chosen.task.kind} ({chosen.reason})")
            truth = chosen.task.encode(mine, column=name, line=place_of)
            constant = chosen.task.constant(truth)
            targets.append(
                Target(
                    name=name,
                    task=chosen.task,
                    weight=float(config.weights.get(name, 1.0)),
                    unit=max(chosen.task.cost(constant), 1e-3) * len(known) / len(cells),
                    constant=constant,
                )
            )
        return cls(targets, notes=notes, reasons=reasons)

    def encode(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> np.ndarray:
        """[N, S] float64, NaN where a target is missing."""
        out = np.full((len(cells), self.targets[-1].places.stop), np.nan)
        for place, target in enumerate(self.targets):
            known, mine, place_of = _own(cells, place, target, line)
            encoded = target.task.encode(mine, column=target.name, line=place_of)
            out[known, target.places] = encoded.reshape(len(known), -1)
        return out

    def opened(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> Several:
        opened = []
        for place, target in enumerate(self.targets):
            _, mine, place_of = _own(cells, place, target, line)
            task = target.task.opened(mine, column=target.name, line=place_of)
            constant = task.widen(target.constant[None], target.task)[0]
            opened.append(replace(target, task=task, constant=constant))
        return self.made_of(opened)

    def made_of(self, targets: Sequence[Target]) -> Several:
        """This task with other tasks for its targets."""
        made = Several(targets, notes=self.notes, reasons=self.reasons)
        if self.criterion is None or self.frequency is None:
            return made
        return cast(Several, made.chosen_by(self.criterion, self.frequency))

    def widen(self, answers: np.ndarray, known: Task) -> np.ndarray:
        assert isinstance(known, Several)
        pairs = zip(self.targets, known.targets, strict=True)
        return np.concatenate([to.task.widen(answers[:, of.columns], of.task) for to, of in pairs], axis=1)

    def closed(self, target: np.ndarray, opened: Task) -> tuple[np.ndarray, np.ndarray]:
        """A target whose class training never saw is one that is not known."""
        assert isinstance(opened, Several)
        out = np.full((len(target), self.targets[-1].places.stop), np.nan)
        for mine, wide in zip(self.targets, opened.targets, strict=True):
            known, truth = wide.truth(target)
            rows, truth = mine.task.closed(truth, wide.task)
            out[known[rows], mine.places] = truth.reshape(len(rows), -1)
        rows = np.flatnonzero(~np.isnan(out).all(1))
        return rows, out[rows]

    def unknown_rows(self, target: np.ndarray, opened: Task) -> np.ndarray:
        assert isinstance(opened, Several)
        found = [np.zeros(0, np.int64)]
        for mine, wide in zip(self.targets, opened.targets, strict=True):
            known, truth = wide.truth(target)
            found.append(known[mine.task.unknown_rows(truth, wide.task)])
        return np.unique(np.concatenate(found))

    @property
    def width(self) -> int:
        return self.targets[-1].columns.stop

    @property
    def score_width(self) -> int:
        return self.targets[-1].scores.stop

    @property
    def names(self) -> tuple[str, ...]:
        """The target's name for a number, and target_class for each class."""
        return tuple(f"{t.name}_{name}" if t.task.discrete else t.name for t in self.targets for name in t.task.names)

    @property
    def probable(self) -> tuple[int, ...]:
        return tuple(t.columns.start + k for t in self.targets for k in t.task.probable)

    @property
    def questions(self) -> tuple[Question, ...]:
        moved, pool = [], 0
        for t in self.targets:
            own = [q.moved(columns=t.columns.start, place=t.places.start, pool=pool) for q in t.task.questions]
            moved += own
            pool = 1 + max(q.pool for q in own)
        return tuple(moved)

    def constant(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        found = []
        for t in self.targets:
            known, truth = t.truth(target)
            some = len(known) > 0
            found.append(t.task.constant(truth, None if weights is None else weights[known]) if some else t.constant)
        return np.concatenate(found)

    def cost(self, constant: np.ndarray) -> float:
        return 1.0

    def activate(self, scores: np.ndarray) -> np.ndarray:
        return np.concatenate([t.task.activate(scores[:, t.scores]) for t in self.targets], axis=1)

    def losses(
        self,
        scores: Any,
        target: Any,
        *,
        class_weights: Any = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
    ) -> Any:
        total = scores.new_zeros(len(scores))
        for t in self.targets:
            own = target[:, t.places]
            rows = (own == own).any(1).nonzero()[:, 0]
            if not len(rows):
                total = total + 0.0 * scores[:, t.scores].sum()
                continue
            flat = own.shape[1] == 1 and t.task.questions[0].place is None
            truth = own[rows, 0] if flat else own[rows]
            how: dict[str, Any] = {}
            if t.task.discrete:
                truth = truth.long() if flat else truth
                how = {"label_smoothing": label_smoothing, "focal_gamma": focal_gamma}
                how["class_weights"] = None if class_weights is None else class_weights[t.columns]
            losses = t.task.losses(scores[rows][:, t.scores], truth, **how) * (t.weight / t.unit)
            total = total.index_add(0, rows, losses.to(total.dtype))
        return total

    def class_weights(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        found = []
        for t in self.targets:
            known, truth = t.truth(target)
            own = t.task.class_weights(truth, None if weights is None else weights[known])
            found.append(np.ones(t.task.width) if own is None else own)
        return np.concatenate(found)

    def strata(self, target: np.ndarray) -> np.ndarray:
        """The rarest of a row's strata, over all targets."""
        rarest, chosen, first = np.full(len(target), np.inf), np.zeros(len(target), np.int64), 1
        for t in self.targets:
            known, truth = t.truth(target)
            if not len(known):
                continue
            own = t.task.strata(truth)
            counts = np.bincount(own)[own]
            better = known[counts < rarest[known]]
            chosen[better] = first + own[counts < rarest[known]]
            rarest[known] = np.minimum(rarest[known], counts)
            first += int(own.max()) + 1
        return chosen

    def remarks(self, target: np.ndarray) -> list[str]:
        said = []
        for t in self.targets:
            known, truth = t.truth(target)
            if not len(known):
                said.append(f"target {t.name!r}: no training row has it; nothing is learned of it")
            said += [f"target {t.name!r}: {text}" for text in t.task.remarks(truth)]
        return said

    def merits(self, answers: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        weights = np.ones(len(target)) if weights is None else weights
        total, defined = np.zeros(len(target)), 0
        for t in self.targets:
            known, truth = t.truth(target)
            mine = weights[known]
            if not mine.sum() > 0:
                continue
            merits = t.task.merits(answers[known, t.columns], truth, mine)
            nothing = t.task.merits(np.tile(t.constant, (len(known), 1)), truth, mine)
            least, best = float(np.average(nothing, weights=mine)), float(t.task.greater_is_better)
            if not best - least > 1e-12:  # the constant answer is perfect: there is nothing to gain
                continue
            # Rows that lack the target say nothing of it; those that have it stand for them.
            total[known] += (merits - least) / (best - least) * (weights.sum() / mine.sum())
            defined += 1
        return total / max(defined, 1)

    def overlooked(self, answers: np.ndarray, target: np.ndarray, *, fewest: int = 5) -> list[Overlooked]:
        found = []
        for t in self.targets:
            known, truth = t.truth(target)
            own = t.task.overlooked(answers[known, t.columns], truth, fewest=fewest)
            found += [replace(one, name=f"{t.name}: {one.name}") for one in own]
        return found

    def decode(self, answers: np.ndarray) -> list[Any]:
        """For each row {target: prediction}."""
        columns = {t.name: t.task.decode(answers[:, t.columns]) for t in self.targets}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def predictions(self, answers: np.ndarray, *, nested: bool) -> dict[str, list[Any]]:
        return {
            f"prediction_{t.name}": t.task.predictions(answers[:, t.columns], nested=nested)["prediction"]
            for t in self.targets
        }

    def meta(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            **self._choice(),
            "targets": [
                {
                    "name": t.name,
                    "task": t.task.meta(),
                    "weight": t.weight,
                    "unit": t.unit,
                    "constant": t.constant.tolist(),
                }
                for t in self.targets
            ],
        }

    @classmethod
    def restore(cls, meta: dict[str, Any]) -> Several:
        task = cls(
            [
                Target(
                    name=t["name"],
                    task=TASKS.load(t["task"]["kind"]).restore(t["task"]),
                    weight=t["weight"],
                    unit=t["unit"],
                    constant=np.array(t["constant"], np.float64),
                )
                for t in meta["targets"]
            ]
        )
        restored: Several = task._as_chosen(meta)
        return restored


def _part(raw: Any) -> Part:
    if isinstance(raw, Part):
        return raw
    part = settings(raw, "task", [])
    assert part is not None, "checked by the config"
    return part


def _placed(targets: Sequence[Target]) -> Iterator[Target]:
    column = score = place = 0
    for t in targets:
        width, scores, places = t.task.width, t.task.score_width, len(t.task.questions)
        yield replace(
            t,
            columns=slice(column, column + width),
            scores=slice(score, score + scores),
            places=slice(place, place + places),
        )
        column, score, place = column + width, score + scores, place + places


def _own(cells: Sequence[Any], place: int, target: Target, line: Line) -> tuple[list[int], list[Any], Line]:
    """The rows that have the target, its cells there, and what a user calls those rows."""
    known = [row for row, cell in enumerate(cells) if target.task.reads_blank or cell[place] is not None]
    return known, [cells[row][place] for row in known], lambda row: line(known[row])
