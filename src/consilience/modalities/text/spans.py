"""Some texts after the other: as many at once as what is laid out of them may take of the memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

TEXTS = 2048
CHARACTERS = 1_000_000
"""Of all texts of a span, unless a single one is longer."""


def spans(texts: Iterable[str | None]) -> Iterator[list[str | None]]:
    """All texts in their order, at most `TEXTS` and `CHARACTERS` at once."""
    span: list[str | None] = []
    held = 0
    for text in texts:
        length = len(text or "")
        if span and (len(span) == TEXTS or held + length > CHARACTERS):
            yield span
            span, held = [], 0
        span.append(text)
        held += length
    if span:
        yield span
