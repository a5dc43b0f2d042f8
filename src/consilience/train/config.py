"""The settings of training, apart from torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW (Loshchilov & Hutter 2019), or SGD with Nesterov momentum 0.9."""
    lr: float = 2e-3
    """Highest learning rate of the schedule."""
    weight_decay: float = 0.02
    """Decoupled weight decay; biases, norms and embeddings of missing inputs are left out."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 clips nothing."""
    epochs: int = 40
    """Most epochs; the schedule ends with them (or with the time, when that is shorter)."""
    batch_rows: int = 192
    """Rows in a step, about; rows that share an expensive cell are kept together."""
    warmup: float = 0.2
    """Share of the training over which the learning rate rises, 0 to 1."""
    patience: int = 10
    """Epochs without a better validation score after which training stops."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes, 0 to 1."""
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
        if self.weight_decay < 0 or self.clip < 0:
            raise ValueError("weight_decay and clip may not be negative")
        for name in ("warmup", "label_smoothing", "modality_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1")
        for name in ("epochs", "batch_rows", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
