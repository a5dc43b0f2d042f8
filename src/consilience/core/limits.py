"""What a cell may cost, checked before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    bytes: int = 100_000_000
    """Largest file or value of one cell, in bytes."""
    pixels: int = 100_000_000
    """Largest picture, in pixels, read off its header. Above 178,956,970 it has no effect: Pillow refuses those."""
    characters: int = 1_000_000
    """Longest text, in characters; a longer one is a bad cell."""
