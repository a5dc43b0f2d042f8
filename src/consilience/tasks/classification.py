"""One of K classes. Knows labels and logits; knows no input."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from consilience.core.errors import DataError
from consilience.core.number_forms import FEW
from consilience.tasks.base import Overlooked, Task
from consilience.tasks.cells import Line, clean, from_one, label_number, listed, number_forms, rare, short
from consilience.tasks.classes import balanced, class_shares, never, relieved
from consilience.tasks.label_forms import Labels

_MOST_CLASSES = 1_000


class Classification(Task):
    """What is one label written in several ways is one class (label_forms.py); the usual form is given back."""

    kind = "classification"
    primary = "accuracy"
    greater_is_better = True
    discrete = True
    baseline = "majority class"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        case: Literal["join", "keep"] = "join"
        """Labels that differ in upper and lower case alone (Spam, spam) are one class, or one each."""

    def __init__(self, labels: Sequence[Any]) -> None:
        self._labels = labels if isinstance(labels, Labels) else Labels(labels)
        self.labels, self.notes = tuple(self._labels), self._labels.notes

    @classmethod
    def claims(cls, cells: Sequence[Any]) -> str | None:
        if any(isinstance(c, list | tuple) for c in cells):
            return None
        distinct = Labels.of(cells)
        numbers = sum(label_number(c) is not None for c in distinct)
        if numbers < len(distinct):
            forms = number_forms(cells)
            if forms is None or len(distinct) <= FEW:
                return f"{len(distinct)} distinct labels, not all of them numbers"
            return None
        if any(isinstance(c, bool) for c in cells):
            return "true / false"
        whole = all(float(label_number(c) or 0).is_integer() for c in distinct)
        if whole and len(distinct) <= min(20, max(2, len(cells) // 10)):
            return f"only {len(distinct)} distinct whole numbers"
        return None

    @classmethod
    def fit(
        cls,
        cells: Sequence[Any],
        *,
        column: str,
        config: Any = None,
        line: Line = from_one,
        columns: Sequence[str] = (),
    ) -> Classification:
        for row, cell in enumerate(cells):
            if isinstance(cell, list | tuple):
                raise DataError(
                    f"column {column!r}, row {line(row)}: {short(cell)} is a list, and a class is one label. Several "
                    "labels: pass --task multilabel."
                )
            if not isinstance(clean(cell), str | int | float):
                raise DataError(
                    f"column {column!r}, row {line(row)}: {type(cell).__name__} is no label; a class is a text, a "
                    "number, true or false, or a date. Another column: --target."
                )
        labels = Labels.of(cells, same_case=config is None or config.case == "join")
        if len(labels) < 2:
            raise DataError(
                f"column {column!r}: every training row has the same label {next(iter(labels), None)!r}; there is "
                "nothing to learn. Check --target, or give rows of at least two classes."
            )
        if len(labels) > _MOST_CLASSES:
            raise DataError(
                f"column {column!r}: {len(labels):,} distinct labels in {len(cells):,} rows is more than the "
                f"{_MOST_CLASSES:,} classes supported. Is it an id or free text? A number: pass --task regression."
            )
        return cls(labels)

    def encode(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> np.ndarray:
        out = np.empty(len(cells), np.int64)
        for row, cell in enumerate(cells):
            number = self._labels.find(cell)
            if number is None:
                raise DataError(
                    f"column {column!r}, row {line(row)}: the label {short(cell)} was not in the training rows "
                    f"(known: {listed(self.labels)}). Correct it, or leave the row out."
                )
            out[row] = number
        return out

    def opened(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> Classification:
        labels = self._labels.and_those_of(cells)
        if labels is self._labels:
            return self
        wide = copy.copy(self)
        wide._labels, wide.labels = labels, tuple(labels)
        return wide

    def widen(self, answers: np.ndarray, known: Task) -> np.ndarray:
        return np.pad(answers, ((0, 0), (0, self.width - known.width)))

    def closed(self, target: np.ndarray, opened: Task) -> tuple[np.ndarray, np.ndarray]:
        rows = np.flatnonzero(target < self.width)
        return rows, target[rows]

    @property
    def numbers(self) -> tuple[bool, ...]:
        return (all(label_number(label) is not None for label in self.labels),)

    @property
    def width(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        return self._labels.names

    def constant(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return class_shares(target, self.width, weights)

    def cost(self, constant: np.ndarray) -> float:
        return float(-(constant * np.log(np.maximum(constant, 1e-300))).sum())

    def activate(self, scores: np.ndarray) -> np.ndarray:
        scores = scores.astype(np.float64)
        powers = np.exp(scores - scores.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))

    def losses(
        self,
        scores: Any,
        target: Any,
        *,
        class_weights: Any = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
    ) -> Any:
        """Cross-entropy; with `focal_gamma`, times (1 - p of the true class)^gamma (Lin et al. 2017)."""
        from torch.nn.functional import cross_entropy, log_softmax

        losses = cross_entropy(scores, target, weight=class_weights, label_smoothing=label_smoothing, reduction="none")
        if not focal_gamma:
            return losses
        log_p = log_softmax(scores, 1).gather(1, target[:, None])[:, 0]
        # Clamped: at p = 1 a power below 1 has no finite slope.
        return (1 - log_p.exp()).clamp(min=1e-6) ** focal_gamma * losses

    def mass(self, target: Any, class_weights: Any = None) -> Any:
        return len(target) if class_weights is None else class_weights[target].sum()

    def class_weights(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return balanced(target, self.width, weights)

    def strata(self, target: np.ndarray) -> np.ndarray:
        return target

    def remarks(self, target: np.ndarray) -> list[str]:
        return rare(self.names, np.bincount(target, minlength=self.width))

    def merits(self, answers: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.asarray(self.predicted(answers) == target, np.float64)

    def predicted(self, answers: np.ndarray) -> np.ndarray:
        """[N] class numbers: the most probable one, the first of equals; relieved of frequency as the criterion has
        it."""
        balance = 0.0 if self.criterion is None else self.criterion.balance
        return np.asarray(relieved(answers, self.frequency, balance).argmax(1))

    def overlooked(self, answers: np.ndarray, target: np.ndarray, *, fewest: int = 5) -> list[Overlooked]:
        return never(self.predicted(answers), target, self.names, fewest)

    def decode(self, answers: np.ndarray) -> list[Any]:
        return [self.labels[k] for k in self.predicted(answers)]

    def meta(self) -> dict[str, Any]:
        return {"kind": self.kind, "labels": list(self.labels), **self._choice()}

    @classmethod
    def restore(cls, meta: dict[str, Any]) -> Classification:
        restored: Classification = cls(meta["labels"])._as_chosen(meta)
        return restored
