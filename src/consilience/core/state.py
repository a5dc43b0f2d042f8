"""What a fitted part remembers, in the only form that is ever written to disk: named arrays, JSON and whole files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class State:
    """All that a fitted part remembers: arrays by name, JSON, and files other programs read too (ONNX graphs)."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    """By file name, without folders."""

    def under(self, prefix: str, meta: dict[str, Any]) -> State:
        """What `within(prefix)` put away, with `meta`."""
        start = prefix + "."
        arrays = {key[len(start) :]: value for key, value in self.arrays.items() if key.startswith(start)}
        files = {key[len(start) :]: value for key, value in self.files.items() if key.startswith(start)}
        return State(arrays=arrays, meta=meta, files=files)

    def within(self, prefix: str) -> State:
        """The same with every name after `prefix.`: a part of something larger."""
        return State(
            arrays={f"{prefix}.{key}": value for key, value in self.arrays.items()},
            meta=self.meta,
            files={f"{prefix}.{key}": value for key, value in self.files.items()},
        )
