"""The settings of training, apart from torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from consilience.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW (Loshchilov & Hutter 2019), or SGD with Nesterov momentum 0.9."""
    lr: float = 2e-3
    """Highest learning rate of the schedule."""
    schedule: Literal["cosine", "one_cycle", "linear", "exponential", "constant"] = "cosine"
    """How the rate falls after the warm-up. "one_cycle" rises as smoothly and moves the momentum the other way."""
    weight_decay: float = 0.02
    """Decoupled weight decay (L2): the share of every weight that a step of rate 1 takes off; biases and norms are left
    out."""
    l1: float = 0.0
    """How far a step of rate 1 moves every weight towards 0, where it stops (L1); biases and norms are left out."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 clips nothing."""
    epochs: int = 40
    """Most epochs; the schedule ends with them (or with the time, when that is shorter)."""
    batch_rows: int = 192
    """Rows in a step, about; rows that share an expensive cell are kept together."""
    accumulate: int = 1
    """Parts a step's rows are computed in, one after the other: the same step with a fraction of the memory. Batch
    normalisation sees one part at a time."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Numbers that training computes with: "bf16" keeps the weights in 32 bits and multiplies in 16; "auto" is bf16 on
    a GPU that has it. Answers are always computed in 32 bits."""
    warmup: float = 0.2
    """Share of the training over which the learning rate rises, 0 to 1."""
    patience: int = 10
    """Epochs without a better validation score after which training stops."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes, 0 to 1."""
    focal_gamma: float = 0.0
    """Focal loss: how much less rows count that are answered well already; 0: all alike, 2 is usual."""
    class_weights: Literal["none", "balanced"] = "none"
    """"balanced": each class counts alike in the loss, however rare."""
    modality_dropout: float = 0.02
    """Chance that an input is taken away from a row in a step, 0 to 1; never all inputs of a row. A little of it is
    what teaches the network to answer without an input."""
    augment: bool = True
    """Change cells at random, as each modality sees fit, anew in every step."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto": the fastest that is there."""

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ValueError("lr must be above 0")
        for name in ("weight_decay", "l1", "clip", "focal_gamma"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} may not be negative")
        for name in ("warmup", "label_smoothing", "modality_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1")
        for name in ("epochs", "batch_rows", "accumulate", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


def refuse_idle(config: TrainConfig, *, discrete: bool) -> None:
    """Raises ConfigError naming every key that would do nothing for such a target."""
    classes_only = {"label_smoothing": 0.0, "focal_gamma": 0.0, "class_weights": "none"}
    idle = [name for name, off in classes_only.items() if getattr(config, name) != off and not discrete]
    if idle:
        raise ConfigError(
            [f"train.{name}: this is for classes, and the target is a number; leave it out" for name in idle]
        )
