"""What a data set of the demo is, once its tables are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Demo:
    about: str
    """One line for people: what the rows are, and where the tables lie."""
    notes: tuple[str, ...] = ()
    """What was left out, why, and what to do about it: a line each."""
    sources: Mapping[str, Path]
    """Side ("train", "test") -> its table."""
    flags: Mapping[str, Any]
    """Settings of the run, as for `workflows.config.resolve`."""
