"""When is one of two better on the same rows, and not by chance?"""

from __future__ import annotations

import numpy as np


def clearly(gap: np.ndarray, weights: np.ndarray | None) -> bool:
    """Whether the mean of paired differences [N] is above 0 by more than two of its standard errors."""
    if weights is None:
        return bool(gap.mean() > 2 * gap.std() / np.sqrt(len(gap)))
    mean = np.average(gap, weights=weights)
    spread = np.sqrt(np.average((gap - mean) ** 2, weights=weights))
    return bool(mean > 2 * spread * np.sqrt((weights**2).sum()) / weights.sum())  # Kish's effective number of rows
