"""One of K classes that have an order: never, sometimes, often. Knows labels, ranks and logits; knows no input.

A head gives the logits of P(rank > 0), P(rank > 1), ...: the cumulative logits of McCullagh (1980), learned as K - 1
yes-or-no questions (Li & Lin 2007; CORAL: Cao, Mirjalili & Raschka 2020). Each is the one before less a step above zero
(softplus), so that no row can contradict the order; steps may differ from row to row (a partial proportional odds
model), where CORAL has the same for all. Classic learners are fitted as classifiers of the K classes: a reduction that
forgets the order while fitting. What is predicted is in either case the median of the K probabilities, which is
nearest in ranks on average; the most probable class is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.core.errors import DataError
from consilience.tasks.base import Overlooked, Task
from consilience.tasks.binary import binary_losses
from consilience.tasks.cells import Line, clean, from_one, label_number, listed, rare, short
from consilience.tasks.classes import balanced, class_shares, entropy, never, relieved
from consilience.tasks.label_forms import Labels, caseless, written

_MOST_RANKS = 100


class Ordinal(Task):
    """Labels are given back as the table has them; rank 0 is the lowest."""

    kind = "ordinal"
    primary = "qwk"
    greater_is_better = True
    discrete = True
    baseline = "class frequencies"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        order: tuple[str | int | float, ...] = ()
        """The labels from lowest to highest; not needed where they are numbers."""

        def __post_init__(self) -> None:
            names = [written(clean(label)) for label in self.order]
            if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
                raise ValueError(f"order names {twice[0]!r} twice")
            if len(self.order) == 1:
                raise ValueError("order needs at least two labels")

    def __init__(self, labels: Sequence[Any], *, notes: Sequence[str] = ()) -> None:
        self._labels = Labels(labels)
        self.labels, self.notes = tuple(self._labels), tuple(notes)

    @classmethod
    def claims(cls, cells: Sequence[Any]) -> str | None:
        return None  # that classes have an order is for the user to say

    @classmethod
    def fit(
        cls,
        cells: Sequence[Any],
        *,
        column: str,
        config: Any = None,
        line: Line = from_one,
        columns: Sequence[str] = (),
    ) -> Ordinal:
        order = (config or cls.Config()).order
        found = Labels.of(cells, same_case=len(set(map(caseless, order))) == len(order))
        if len(found) < 2:
            raise DataError(
                f"column {column!r}: every training row has the same label {next(iter(found), None)!r}; there is "
                "nothing to learn. Check --target, or give rows of at least two classes."
            )
        if order:
            own = [found.find(label) for label in order]  # 3 in a config is "3" in a CSV, or "3.0"
            ranks = [clean(label) if k is None else found[k] for k, label in zip(own, order, strict=True)]
            task = cls(ranks, notes=found.notes)
            task.encode(cells, column=column, line=line)  # refuses what is outside of the order
            return task
        numbers = {label: label_number(label) for label in found}
        if any(number is None or not np.isfinite(number) for number in numbers.values()):
            shown = ", ".join(f'"{label}"' for label in sorted(map(str, found))[:10])
            raise DataError(
                f"column {column!r}: the order of its {len(found)} labels is not clear ({shown}"
                f"{', …' if len(found) > 10 else ''}). Say it from lowest to highest: --set 'task.order=[{shown}]'"
            )
        if len(found) > _MOST_RANKS:
            raise DataError(
                f"column {column!r}: {len(found):,} distinct numbers are more than the {_MOST_RANKS} ranks supported; "
                "pass --task regression."
            )
        return cls(sorted(found, key=lambda label: numbers[label] or 0.0), notes=found.notes)

    def encode(self, cells: Sequence[Any], *, column: str, line: Line = from_one) -> np.ndarray:
        out = np.empty(len(cells), np.int64)
        for row, cell in enumerate(cells):
            rank = self._labels.find(cell)
            if rank is None:
                raise DataError(
                    f"column {column!r}, row {line(row)}: {short(cell)} is outside of the order "
                    f"{listed(self.labels)}. Correct it, leave the row out, or give the whole order with "
                    "--set 'task.order=[…]'"
                )
            out[row] = rank
        return out

    @classmethod
    def named(cls, config: Any) -> tuple[Any, ...]:
        return () if config is None else config.order

    @property
    def numbers(self) -> tuple[bool, ...]:
        return (all(label_number(label) is not None for label in self.labels),)

    @property
    def width(self) -> int:
        return len(self.labels)

    @property
    def score_width(self) -> int:
        return len(self.labels) - 1

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(label) for label in self.labels)

    def constant(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return class_shares(target, self.width, weights)

    def cost(self, constant: np.ndarray) -> float:
        return float(entropy(np.cumsum(constant)[:-1]).sum())

    def activate(self, scores: np.ndarray) -> np.ndarray:
        scores = scores.astype(np.float64)
        steps = np.logaddexp(0.0, scores[:, 1:])
        above = np.concatenate([scores[:, :1], scores[:, :1] - np.cumsum(steps, axis=1)], axis=1)
        small = np.exp(-np.abs(above))
        above = np.where(above >= 0, 1.0, small) / (1.0 + small)
        ends = np.ones((len(scores), 1))
        return np.concatenate([ends, above], axis=1) - np.concatenate([above, 0 * ends], axis=1)

    def losses(
        self,
        scores: Any,
        target: Any,
        *,
        class_weights: Any = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
    ) -> Any:
        """The sum of the K - 1 binary cross-entropies."""
        from torch import arange, cat
        from torch.nn.functional import softplus

        above = cat([scores[:, :1], scores[:, :1] - softplus(scores[:, 1:]).cumsum(1)], 1)
        wanted = target[:, None] > arange(self.width - 1, device=scores.device)
        how = {"label_smoothing": label_smoothing, "focal_gamma": focal_gamma}
        losses = binary_losses(above, wanted.to(scores.dtype), positive=None, **how).sum(1)
        return losses if class_weights is None else losses * class_weights[target]

    def mass(self, target: Any, class_weights: Any = None) -> Any:
        return len(target) if class_weights is None else class_weights[target].sum()

    def class_weights(self, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return balanced(target, self.width, weights)

    def strata(self, target: np.ndarray) -> np.ndarray:
        return target

    def remarks(self, target: np.ndarray) -> list[str]:
        return rare(self.names, np.bincount(target, minlength=self.width))

    def merits(self, answers: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Kappa = 1 - O / E, O the mean squared distance in ranks, E that of all pairs of a prediction and a target: a
        row's part in it by first-order influence, so that their mean is kappa."""
        weights = np.ones(len(target)) if weights is None else weights
        weights = weights / (weights.sum() or 1.0)
        said, true = self.predicted(answers).astype(np.float64), target.astype(np.float64)
        own = (said - true) ** 2
        # Mean over all others' targets of the distance to this prediction, and the other way round.
        to_targets = said**2 - 2 * said * (weights @ true) + weights @ true**2
        to_answers = true**2 - 2 * true * (weights @ said) + weights @ said**2
        observed, expected = float(weights @ own), float(weights @ to_targets)
        if not expected > 1e-12:
            return np.zeros(len(target))
        ratio = observed / expected
        change = (own - observed) - ratio * (to_targets + to_answers - 2 * expected)
        return np.asarray(1 - ratio - change / expected)

    def predicted(self, answers: np.ndarray) -> np.ndarray:
        """[N] ranks: the median of the probabilities, relieved of frequency as the criterion has it."""
        balance = 0.0 if self.criterion is None else self.criterion.balance
        return median(relieved(answers, self.frequency, balance))

    def overlooked(self, answers: np.ndarray, target: np.ndarray, *, fewest: int = 5) -> list[Overlooked]:
        return never(self.predicted(answers), target, self.names, fewest)

    def decode(self, answers: np.ndarray) -> list[Any]:
        return [self.labels[k] for k in self.predicted(answers)]

    def meta(self) -> dict[str, Any]:
        return {"kind": self.kind, "labels": list(self.labels), **self._choice()}

    @classmethod
    def restore(cls, meta: dict[str, Any]) -> Ordinal:
        restored: Ordinal = cls(meta["labels"])._as_chosen(meta)
        return restored


def median(answers: np.ndarray) -> np.ndarray:
    """[N] int64: the lowest rank that, with those below it, has half of the probability [N, K]."""
    upto = np.cumsum(answers, axis=1)
    # A hair below one half: sums of the same shares in another order must not tip it.
    return np.asarray((upto[:, :-1] < 0.5 * upto[:, -1:] - 1e-9).sum(1), np.int64)
