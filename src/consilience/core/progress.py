"""How long work tells somebody that it goes on: a `Reporter`. The default is silent; the terminal's is in cli/."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int, str], None]
"""advance(done, note): `done` units of the total are finished; the note is a few words such as "loss 0.31"."""


class Reporter:
    """Says nothing. Subclass it to say something."""

    def say(self, text: str) -> None:
        """One line a person may want to read."""

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        """A piece of work of known length."""
        yield lambda done, note: None


class Deadline:
    """A moment on the clock, and how much of the way there is left."""

    def __init__(self, seconds: float, *, used: float = 0.0) -> None:
        """`seconds` in all, of which `used` are over."""
        self.start = time.monotonic() - used
        self.seconds = seconds

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    @property
    def left(self) -> float:
        return self.seconds - self.elapsed

    def within(self, seconds: float) -> Deadline:
        """A deadline of its own for a part: `seconds` from now, or when this one ends."""
        return Deadline(max(0.0, min(seconds, self.left)))
