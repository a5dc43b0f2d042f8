"""The settings of the models, apart from the models: reading a config imports no torch and no scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from consilience.core.config import Part, part, parts
from consilience.fusion import DECISION_FUSIONS, FEATURE_FUSIONS
from consilience.models.learners import LEARNERS


@dataclass(frozen=True, kw_only=True)
class ClassicConfig:
    single: tuple[Part, ...] = parts(LEARNERS, "linear", "svm", "trees", trees={"max_iter": 10, "learning_rate": 0.3})
    """Learners fitted on each input alone."""
    joined: tuple[Part, ...] = parts(LEARNERS, "linear", "svm", "trees")
    """Learners fitted on all inputs joined."""
    refit_below: int = 3000
    """With fewer training rows than this, what was chosen is fitted once more with the validation rows added: a small
    table cannot spare them. 0: never."""


@dataclass(frozen=True, kw_only=True)
class DeepConfig:
    fusion: Part = part(FEATURE_FUSIONS, "film")  # noqa: RUF009 - a dataclass field
    """The feature-level fusion and its own settings."""
    width: int = 128
    """Width every input is brought to before fusion."""
    encoders: dict[str, Any] = field(default_factory=dict)
    """By input name: the encoder and its own settings; the modality's default where none is named."""
    dropout: float = 0.0
    """Dropout on every input's vector before fusion, 0 to 1."""
    auxiliary: float = 0.0
    """While training, every input also answers by itself; how much the mean of those losses counts beside the fused
    one. It keeps an input from being ignored because another is learned sooner. Nothing of it is kept."""

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must be at least 0 and below 1")
        if not self.auxiliary >= 0:
            raise ValueError("auxiliary may not be negative")
        if self.width < 1:
            raise ValueError("width must be at least 1")


@dataclass(frozen=True, kw_only=True)
class EnsembleConfig:
    rules: tuple[Part, ...] = parts(DECISION_FUSIONS, "average", "weighted", "select", "stack")
    """Decision-level fusions tried over the best models; none: no ensemble."""
    best: int = 8
    """How many of the best models they are given."""
    folds: int = 5
    """On a small table rules learn from answers to training rows by models fitted on the other folds of them; 0: they
    always learn from the validation rows."""
    fold_below: int = 3000
    """Training rows from which on the validation rows are enough to learn from."""
    folded: int = 5
    """How many of the best models are fitted once per fold."""

    def __post_init__(self) -> None:
        if self.folds == 1 or self.folds < 0:
            raise ValueError("folds must be 0 or at least 2")
        if self.best < 2 or self.folded < 2:
            raise ValueError("best and folded must be at least 2: one model is no ensemble")
