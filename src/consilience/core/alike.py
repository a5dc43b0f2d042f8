"""Which of several names is most like another: for "Did you mean". Knows strings and nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Collection

CLOSE = 0.6
"""Likeness of two names, 0 to 1, from which on one may be meant by the other."""
_LONGEST = 200
"""Characters that are compared: more would take long, and help nobody."""


def nearest(name: str, others: Collection[str], *, close: float = CLOSE) -> str | None:
    """The name most like it, if any is: case, blanks and signs count for nothing."""
    folded: dict[str, str] = {}
    for other in others:
        folded.setdefault(_fold(other) or other, other)
    found = difflib.get_close_matches(_fold(name) or name[:_LONGEST], folded, n=1, cutoff=close)
    return folded[found[0]] if found else None


def _fold(name: str) -> str:
    return "".join(c for c in name.casefold()[:_LONGEST] if c.isalnum())
