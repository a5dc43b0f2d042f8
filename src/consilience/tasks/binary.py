"""Yes or no, many times over: the loss of independent logits. Needs torch where it is used. Knows no label."""

from __future__ import annotations

from typing import Any


def binary_losses(logits: Any, wanted: Any, *, positive: Any, label_smoothing: float, focal_gamma: float) -> Any:
    """[B, L] logits against [B, L] targets, 0 or 1 -> the loss of each. A target of NaN is not known: loss 0.

    `positive` [L] or None: how much a yes counts (a no counts 1). Smoothing moves both targets that share of the way
    to 1/2. With `focal_gamma`, times (1 - p of what is true)^gamma (Lin et al. 2017).
    """
    from torch import nan_to_num, where
    from torch.nn.functional import binary_cross_entropy_with_logits, softplus

    known = wanted == wanted
    truth = nan_to_num(wanted).to(logits.dtype)
    soft = truth * (1 - label_smoothing) + label_smoothing / 2
    losses = binary_cross_entropy_with_logits(logits, soft, pos_weight=positive, reduction="none")
    if focal_gamma:
        # 1 - p of the truth is the sigmoid of the logit against it; clamped: at 0 a power below 1 has no finite slope.
        against = where(truth > 0.5, -logits, logits)
        losses = losses * (-softplus(-against)).exp().clamp(min=1e-6) ** focal_gamma
    return losses * known
