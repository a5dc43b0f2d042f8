"""Which frames of a film are kept while it goes by: evenly spread in time, in memory that does not grow.

Goes by time stamps, so it does not matter how many frames a second there are, or that they come unevenly. Knows no
frame's content.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

SPARE = 4
"""Times as many frames as asked for are kept on the way."""


class Spread:
    """Offer every frame with its time; at the end, `chosen(count)` are those on screen at evenly spread moments."""

    def __init__(self, count: int) -> None:
        self._most = SPARE * count
        self._gap = 0.0
        self.times: list[float] = []
        self.kept: list[Any] = []

    def offer(self, time: float, make: Callable[[], Any]) -> None:
        """`make()` is called only when the frame is kept. A time before the last one (damage) is not."""
        if self.times and time < self.times[-1] + max(self._gap, 1e-6):
            return
        self.times.append(time)
        self.kept.append(make())
        while len(self.times) > self._most:
            self._gap = max(2 * self._gap, 2 * (self.times[-1] - self.times[0]) / self._most)
            self._thin()

    def _thin(self) -> None:
        last, stay = float("-inf"), []
        for place, time in enumerate(self.times):
            if time >= last + self._gap:
                stay.append(place)
                last = time
        self.times = [self.times[place] for place in stay]
        self.kept = [self.kept[place] for place in stay]

    def chosen(self, count: int, end: float) -> tuple[list[float], list[Any]]:
        """Times and what was kept, of the frames on screen in the middle of each of `count` equal parts of the time
        from the first frame to `end`; fewer when there are fewer."""
        if len(self.times) <= count:
            return self.times, self.kept
        start = self.times[0]
        places = [bisect_right(self.times, m) - 1 for m in moments(start, max(end, self.times[-1]), count)]
        places = sorted(set(places))
        return [self.times[place] for place in places], [self.kept[place] for place in places]


def moments(start: float, end: float, count: int) -> list[float]:
    """The middles of `count` equal parts of a stretch of time."""
    return [start + (n + 0.5) * (end - start) / count for n in range(count)]
