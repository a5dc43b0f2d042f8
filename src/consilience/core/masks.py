"""Masked arithmetic on torch tensors. A masked position never reaches a result, whatever it holds."""

from __future__ import annotations

from typing import Any


def masked(values: Any, mask: Any) -> Any:
    """Values [N, T, D] with masked positions set to zero (even NaN and infinity)."""
    return values.masked_fill(~mask.unsqueeze(-1), 0.0)


def masked_mean(values: Any, mask: Any) -> Any:
    """[N, T, D], [N, T] -> [N, D]; zero where nothing is present."""
    return masked(values, mask).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def masked_max(values: Any, mask: Any) -> Any:
    """[N, T, D], [N, T] -> [N, D]; zero where nothing is present."""
    lowest = values.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(1)
    return lowest.masked_fill(~mask.any(1, keepdim=True), 0.0)
