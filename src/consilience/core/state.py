"""What a fitted part remembers, in the only form that is ever written to disk: named arrays and JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class State:
    """All that a fitted part remembers: arrays by name and JSON."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
