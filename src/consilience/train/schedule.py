"""Learning-rate schedules: a factor of the highest rate, from how much of the training is done."""

from __future__ import annotations

import math


def warmup_cosine(progress: float, *, warmup: float) -> float:
    """Linear from near 0 to 1 over the first `warmup` share of the training, then half a cosine to 0.

    `progress`: 0 to 1. Loshchilov & Hutter 2017, without restarts.
    """
    if progress < warmup:
        return max(progress / warmup, 0.01)
    rest = (progress - warmup) / max(1e-9, 1 - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, rest)))
