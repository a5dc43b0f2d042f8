"""Learning-rate schedules: a factor of the highest rate, from how much of the training is done.

All rise first, over the `warmup` share of the training, and differ in what follows. Progress runs from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

_LEAST = 0.01
"""Factor at the very start of a warm-up: a rate of 0 would make the first step for nothing."""
_LAST = 0.01
"""Where the exponential fall ends."""
_FIRST_OF_CYCLE = 0.04
"""Where one cycle starts: a 25th."""
_MOMENTUM = (0.95, 0.85)
"""Of one cycle: while the rate is lowest, and while it is highest."""


def factor(kind: str, progress: float, *, warmup: float) -> float:
    """The share of the highest rate, 0 to 1. `kind`: one of `KINDS`."""
    if progress < warmup:
        return _rise(kind, progress / warmup)
    return KINDS[kind](min(1.0, (progress - warmup) / max(1e-9, 1 - warmup)))


def momentum(kind: str, progress: float, *, warmup: float) -> float | None:
    """What the optimiser's momentum should be now (Adam: its first beta); None: as it was built.

    One cycle lets it fall while the rate rises, and rise again while the rate falls.
    """
    if kind != "one_cycle":
        return None
    high, low = _MOMENTUM
    height = (factor(kind, progress, warmup=warmup) - _FIRST_OF_CYCLE) / (1 - _FIRST_OF_CYCLE)
    return high + (low - high) * max(0.0, height)


def _rise(kind: str, done: float) -> float:
    if kind == "one_cycle":
        return 1 - (1 - _FIRST_OF_CYCLE) * cosine(done)
    return max(done, _LEAST)


def cosine(done: float) -> float:
    """Half a cosine from 1 to 0: Loshchilov & Hutter 2017, without restarts."""
    return 0.5 * (1 + math.cos(math.pi * done))


def linear(done: float) -> float:
    """A straight line from 1 to 0."""
    return 1 - done


def exponential(done: float) -> float:
    """The same ratio from step to step, from 1 to a hundredth."""
    return float(_LAST**done)


def constant(done: float) -> float:
    """1 to the end."""
    return 1.0


KINDS: dict[str, Callable[[float], float]] = {
    "cosine": cosine,
    "one_cycle": cosine,  # Smith & Topin 2018: it differs in its rise, and in the momentum
    "linear": linear,
    "exponential": exponential,
    "constant": constant,
}
"""What follows the rise, by name: share of it that is over, 0 to 1 -> factor."""
