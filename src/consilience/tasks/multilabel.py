"""Any number of L labels, each there or not. Knows labels and logits; knows no input.

Answers [N, L] are independent probabilities; what is predicted are the labels at or above one threshold, 0.5 unless
set (`threshold`): 0.5 makes the fewest wrong decisions when probabilities are calibrated, and it is the same for every
model of a leaderboard. For rare labels a lower one finds more of them and raises F1; a criterion may ask for that.
The primary metric is F1 over all decisions (micro): unlike the mean over labels it is defined, and steady, when a
label hardly occurs among the validation rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from consilience.core.errors import DataError
from consilience.tasks import labels as texts
from consilience.tasks.base import Overlooked, Task
from consilience.tasks.binary import binary_losses
from consilience.tasks.cells import Line, from_one, listed, number_forms, rare, short
from consilience.tasks.classes import entropy
from consilience.tasks.label_forms import Labels
from consilience.tasks.question import Question

_MOST_LABELS = 1_000
_YES, _NO = {"1", "true", "yes", "y", "t", "1.0"}, {"0", "false", "no", "n", "f", "0.0"}


class Multilabel(Task):
    """Of a column of lists, of JSON lists or of text with a separator; or of several columns of yes and no."""

    kind = "multilabel"
    primary = "f1_micro"
    greater_is_better = True
    discrete = True
    baseline = "label frequencies"
    many = True

    @dataclass(frozen=True, kw_only=True)
    class Config:
        separator: str = ""
        """What parts labels in a text cell; looked for in the cells when not given."""
        threshold: float = 0.5
        """A label is predicted when its probability is at least this, 0 to 1."""
        case: Literal["join", "keep"] = "join"
        """Labels that differ in upper and lower case alone (Funny, funny) are one, or one each."""
        blank: Literal["missing", "none"] = "missing"
        """What an empty target cell says: nothing (the row is left out), or that there is no label."""

        def __post_init__(self) -> None:
            if not 0 < self.threshold < 1:
                raise ValueError(f"threshold must be between 0 and 1, not {self.threshold}")

    def __init__(
        self,
        *,
        labels: Sequence[Any],
        form: str,
        threshold: float,
        reads_blank: bool = False,
        columns: Sequence[str] = (),
    ) -> None:
        """`columns`: the columns of yes and no, where there are such; then they are the labels."""
        self._labels = labels if isinstance(labels, Labels) else Labels(labels)
        self.labels, self.notes = tuple(self._labels), self._labels.notes
        self.form, self.threshold, self.columns = form, threshold, tuple(columns)
        self.reads_blank = reads_blank

    @classmethod
    def claims(cls, cells: Sequence[Any]) -> str | None:
        return texts.claim(cells)

    @classmethod
    def nearly(cls, cells: Sequence[Any]) -> str | None:
        return None if number_forms(cells) else texts.doubt(cells)  # the comma of 1,5 parts nothing

    @classmethod
    def blank_is_answer(cls, config: Any) -> bool:
        return config is not None and config.blank == "none"

    @classmethod
    def fit(
        cls,
        cells: Sequence[Any],
        *,
        column: str,
        config: Any = None,
        line: Line = from_one,
        columns: Sequence[str] = (),
    ) -> Multilabel:
        config = config or cls.Config()
        if columns:
            task = cls(labels=columns, form=texts.LIST, threshold=config.threshold, columns=columns)
        else:
            form = texts.form_of(cells, config.separator)
            read = (label for row, c in enumerate(cells) for label in _read(c, form, column, line(row)))
            labels = Labels.of(read, same_case=config.case == "join")
            if len(labels) > _MOST_LABELS:
                raise DataError(
                    f"column {column!r}: {len(labels):,} distinct labels in {len(cells):,} rows is more than the "
                    f"{_MOST_LABELS:,} supported. Are they labels, or free text? Another separator: "
                    "--set task.separator=…"
                )
            blank = cls.blank_is_answer(config)
            task = cls(labels=labels, form=form, threshold=config.threshold, reads_blank=blank)
        held = task.encode(cells, column=column, line=line)
        if not len(held) or not np.any((np.nanmin(held, 0) == 0) & (np.nanmax(held, 0) == 1)):
            what = "no training row has any label" if not np.nansum(held) else "every training row has the same labels"
            raise DataError(
                f"column {column!r}: {what} ({listed(task.labels) or 'none'}); there is nothing to learn. Check "
                "--target, or give rows whose labels differ."
            )
        return task

    def encode(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> np.ndarray:
        """[N, L] float64: 1 for a label that is there, 0 for one that is not, NaN where a column says nothing."""
        out = np.zeros((len(cells), len(self.labels)))
        for row, cell in enumerate(cells):
            if self.columns:
                out[row] = [_yes(v, c, line(row)) for v, c in zip(cell, self.columns, strict=True)]
                continue
            for label in _read(cell, self.form, column, line(row)):
                if (number := self._labels.find(label)) is None:
                    raise DataError(
                        f"column {column!r}, row {line(row)}: the label {short(label)} was not in the training rows "
                        f"(known: {listed(self.labels)}). Correct it, or leave the row out."
                    )
                out[row, number] = 1.0
        return out

    def opened(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> Multilabel:
        if self.columns:
            return self
        found = (label for row, cell in enumerate(cells) for label in _read(cell, self.form, column, line(row)))
        labels = self._labels.and_those_of(found)
        return self if labels is self._labels else Multilabel.restore({**self.meta(), "labels": list(labels)})

    def widen(self, answers: np.ndarray, known: Task) -> np.ndarray:
        return np.pad(answers, ((0, 0), (0, self.width - known.width)))

    def closed(self, target: np.ndarray, opened: Task) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(len(target)), target[:, : self.width]

    def unknown_rows(self, target: np.ndarray, opened: Task) -> np.ndarray:
        return np.flatnonzero((target[:, self.width :] > 0).any(1))

    @property
    def numbers(self) -> tuple[bool, ...]:
        return (False,) * max(1, len(self.columns))

    @property
    def width(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        return self._labels.names

    @property
    def questions(self) -> tuple[Question, ...]:
        """One for each label; all of one pool, so that a decision rule learns from the rows of all of them."""
        return tuple(Question(columns=slice(k, k + 1), discrete=True, width=2, place=k) for k in range(self.width))

    def constant(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        known = ~np.isnan(target) * (1.0 if weights is None else weights[:, None])
        return np.asarray((np.nan_to_num(target) * known).sum(0) / np.maximum(known.sum(0), 1e-300))

    def cost(self, constant: np.ndarray) -> float:
        return float(entropy(constant).mean())

    def activate(self, scores: np.ndarray) -> np.ndarray:
        return sigmoid(scores.astype(np.float64))

    def losses(
        self,
        scores: Any,
        target: Any,
        *,
        class_weights: Any = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
    ) -> Any:
        """Binary cross-entropy, the mean over labels. A balanced label's yes counts `class_weights` times its no."""
        how = {"label_smoothing": label_smoothing, "focal_gamma": focal_gamma}
        return binary_losses(scores, target, positive=class_weights, **how).mean(1)

    def class_weights(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """[L]: how many times as frequent the label's absence is, 0.01 to 100."""
        share = self.constant(target, weights)
        return np.clip((1 - share) / np.maximum(share, 1e-9), 0.01, 100.0)

    def strata(self, target: np.ndarray) -> np.ndarray:
        """[N]: the rarest of the row's labels (a step of Sechidis et al. 2011), L where it has none."""
        held = np.nan_to_num(target) > 0
        counts = held.sum(0)
        return np.where(held.any(1), np.where(held, counts, len(target) + 1).argmin(1), held.shape[1])

    def remarks(self, target: np.ndarray) -> list[str]:
        held = np.nan_to_num(target).sum(0)
        known = (~np.isnan(target)).sum(0)
        always = [name for name, yes, of in zip(self.names, held, known, strict=True) if yes == of]
        said = [f"{listed([repr(n) for n in always], most=5)}: on every training row"] if always else []
        if not self.columns and (np.nan_to_num(target).sum(1) <= 1).all():
            said.append("no training row has more than one label; where a row has just one, pass --task classification")
        return rare(self.names, held) + said

    @property
    def thresholds(self) -> np.ndarray:
        """[L]: where a label begins to be predicted. Under a criterion that relieves labels of their frequency the odds
        of the threshold are lowered with those of the label."""
        out = np.full(self.width, self.threshold)
        if self.criterion is not None and self.frequency is not None and self.criterion.balance:
            share = np.clip(self.frequency, 1e-9, 1 - 1e-9)
            odds = self.threshold / (1 - self.threshold) * (share / (1 - share)) ** self.criterion.balance
            out[: len(share)] = odds / (1 + odds)
        return out

    def overlooked(self, answers: np.ndarray, target: np.ndarray, *, fewest: int = 5) -> list[Overlooked]:
        known = ~np.isnan(target)
        rows, said = np.nan_to_num(target).sum(0), ((answers >= self.thresholds) & known).sum(0)
        return [
            Overlooked(name=self.names[k], rows=int(rows[k]), of=int(known[:, k].sum()), classes=2)
            for k in np.flatnonzero((rows >= fewest) & (said == 0))
        ]

    def merits(self, answers: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """F1 = T / M, a ratio of sums over rows (T = 2 true positives, M = predicted + true labels): a row's part in it
        is F1 + (its T - F1 x its M) / mean M, whose mean is F1."""
        weights = np.ones(len(target)) if weights is None else weights
        known = ~np.isnan(target)
        said, true = (answers >= self.thresholds) & known, np.nan_to_num(target) > 0
        top, bottom = 2.0 * (said & true).sum(1), 1.0 * said.sum(1) + true.sum(1)
        mean = np.average(bottom, weights=weights) if len(target) else 0.0
        if not mean > 0:
            return np.zeros(len(target))
        f1 = np.average(top, weights=weights) / mean
        return np.asarray(f1 + (top - f1 * bottom) / mean)

    def decode(self, answers: np.ndarray) -> list[Any]:
        """For each row the labels it has, in their order."""
        return [[self.labels[k] for k in np.flatnonzero(row)] for row in answers >= self.thresholds]

    def written(self, value: Any, *, nested: bool) -> Any:
        return list(value) if nested else texts.write(value, self.form)

    def meta(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "form": self.form,
            "threshold": self.threshold,
            "reads_blank": self.reads_blank,
            "columns": list(self.columns),
            **self._choice(),
        }

    @classmethod
    def restore(cls, meta: dict[str, Any]) -> Multilabel:
        task = cls(**{key: meta[key] for key in ("labels", "form", "threshold", "reads_blank", "columns")})
        restored: Multilabel = task._as_chosen(meta)
        return restored


def sigmoid(scores: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(scores))  # exp is only taken of what is not positive
    return np.asarray(np.where(scores >= 0, 1.0, small) / (1.0 + small))


def _read(cell: Any, form: str, column: str, row: int) -> tuple[Any, ...]:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return ()  # only where a blank cell was said to mean that there is no label
    try:
        return texts.read(cell, form)
    except texts.NoLabels as error:
        raise DataError(f"column {column!r}, row {row}: {short(cell)} is no set of labels: {error}.") from error


def _yes(value: Any, column: str, row: int) -> float:
    if value is None or (isinstance(value, str) and not value.strip()) or value != value:
        return np.nan
    word = str(value).strip().lower()
    if word not in _YES | _NO:
        raise DataError(
            f"column {column!r}, row {row}: {short(value)} is neither yes nor no (1, true, yes; 0, false, no). Correct "
            "it, or learn the columns as targets of their own kinds: leave --task multilabel out."
        )
    return float(word in _YES)
