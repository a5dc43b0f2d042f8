"""Optimisers: which parameters shrink, and which rule moves them. Matrices shrink; biases, norms and gains do not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from consilience.train.config import TrainConfig


def build(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """`decoupled` and `l1` of a group are read by `move`; AdamW decays by itself, and SGD would put the decay into the
    gradient, where the momentum takes it up."""
    sgd = config.optimizer == "sgd"
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = []
    for pace in sorted({_pace(p) for p in trainable}):
        for shrinks in (True, False):
            decay, l1 = (config.weight_decay, config.l1) if shrinks else (0.0, 0.0)
            own = {"weight_decay": 0.0, "decoupled": decay} if sgd else {"weight_decay": decay, "decoupled": 0.0}
            chosen = [p for p in trainable if (p.ndim > 1) == shrinks and _pace(p) == pace]
            groups.append({"params": chosen, "l1": l1, "pace": pace, **own})
    if sgd:
        return torch.optim.SGD(groups, lr=config.lr, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


def _pace(parameter: Tensor) -> float:
    """How fast it learns beside the others: what was pretrained moves more slowly."""
    found: float = getattr(parameter, "pace", 1.0)
    return found


def pace(optimizer: torch.optim.Optimizer, *, lr: float, momentum: float | None) -> None:
    """The rate of the next step, and the momentum where it is not None."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["pace"]
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None:
            group["momentum"] = momentum


@torch.no_grad()
def move(optimizer: torch.optim.Optimizer) -> None:
    """One step; then what shrinks weights whatever the gradient says: p <- p - lr decay p (Loshchilov & Hutter 2019),
    and a move towards 0 by lr l1, which stops there (the proximal step of an L1 penalty)."""
    optimizer.step()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if group["decoupled"]:
                parameter.mul_(1 - group["lr"] * group["decoupled"])
            if group["l1"]:
                _towards_zero(parameter, group["lr"] * group["l1"])


def _towards_zero(parameter: Tensor, by: float) -> None:
    parameter.copy_(parameter.sign() * (parameter.abs() - by).clamp(min=0))
