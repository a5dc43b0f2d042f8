"""One of K classes. Knows labels and logits; knows no input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.tasks.base import Task

_MOST_CLASSES = 1_000


class Classification(Task):
    """Labels are compared as they are written in the table (after trimming, for text); their type is given back."""

    kind = "classification"
    primary = "accuracy"
    greater_is_better = True
    discrete = True
    baseline = "majority class"

    def __init__(self, labels: Sequence[Any]) -> None:
        self.labels = tuple(labels)
        self._number = {label: k for k, label in enumerate(self.labels)}

    @classmethod
    def claims(cls, cells: Sequence[Any]) -> str | None:
        distinct = {_clean(c) for c in cells}
        numbers = sum(_as_number(c) is not None for c in distinct)
        if numbers < len(distinct):
            return f"{len(distinct)} distinct labels, not all of them numbers"
        if any(isinstance(c, bool) for c in cells):
            return "true / false"
        whole = all(float(_as_number(c) or 0).is_integer() for c in distinct)
        if whole and len(distinct) <= min(20, max(2, len(cells) // 10)):
            return f"only {len(distinct)} distinct whole numbers"
        return None

    @classmethod
    def fit(cls, cells: Sequence[Any], *, column: str) -> Classification:
        counts = Counter(_clean(c) for c in cells)
        if len(counts) < 2:
            raise DataError(
                f"column {column!r}: every training row has the same label {next(iter(counts), None)!r}; there is "
                "nothing to learn. Check --target, or give rows of at least two classes."
            )
        if len(counts) > _MOST_CLASSES:
            raise DataError(
                f"column {column!r}: {len(counts):,} distinct labels in {len(cells):,} rows is more than the "
                f"{_MOST_CLASSES:,} classes supported. Is it an id or free text? A number: pass --task regression."
            )
        return cls(sorted(counts, key=lambda label: (type(label).__name__, label)))

    def encode(self, cells: Sequence[Any], *, column: str) -> np.ndarray:
        out = np.empty(len(cells), np.int64)
        for row, cell in enumerate(cells):
            number = self._number.get(_clean(cell))
            if number is None:
                shown = ", ".join(map(str, self.labels[:10])) + (" …" if len(self.labels) > 10 else "")
                raise DataError(
                    f"column {column!r}, row {row + 1}: the label {_short(cell)} was not in the training rows "
                    f"(known: {shown}). Correct it, or leave the row out."
                )
            out[row] = number
        return out

    def encode_open(self, cells: Sequence[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
        numbers = dict(self._number)
        target = np.array([numbers.setdefault(_clean(cell), len(numbers)) for cell in cells], np.int64)
        return target, tuple(str(label) for label in numbers)

    @property
    def width(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(label) for label in self.labels)

    def constant(self, target: np.ndarray) -> np.ndarray:
        return np.bincount(target, minlength=self.width) / max(1, len(target))

    def activate(self, scores: np.ndarray) -> np.ndarray:
        scores = scores.astype(np.float64)
        powers = np.exp(scores - scores.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))

    def loss(
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

        if not focal_gamma:
            return cross_entropy(scores, target, weight=class_weights, label_smoothing=label_smoothing)
        losses = cross_entropy(scores, target, weight=class_weights, label_smoothing=label_smoothing, reduction="none")
        log_p = log_softmax(scores, 1).gather(1, target[:, None])[:, 0]
        # Clamped: at p = 1 a power below 1 has no finite slope.
        factor = (1 - log_p.exp()).clamp(min=1e-6) ** focal_gamma
        mass = len(target) if class_weights is None else class_weights[target].sum()
        return (factor * losses).sum() / mass

    def merits(self, answers: np.ndarray, target: np.ndarray) -> np.ndarray:
        return np.asarray(answers.argmax(1) == target, np.float64)

    def decode(self, answers: np.ndarray) -> list[Any]:
        return [self.labels[k] for k in answers.argmax(1)]

    def meta(self) -> dict[str, Any]:
        return {"kind": self.kind, "labels": list(self.labels)}

    @classmethod
    def restore(cls, meta: dict[str, Any]) -> Classification:
        return cls(meta["labels"])


def _clean(cell: Any) -> Any:
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)  # a column of whole numbers with gaps arrives as floats
    return cell


def _as_number(cell: Any) -> float | None:
    if isinstance(cell, bool):
        return None
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def _short(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else text[:57] + "..."
