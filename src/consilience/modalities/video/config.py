"""How films are prepared: the one place that holds the defaults. Knows no data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SMALLEST, LARGEST = 16, 512
"""Sides of a frame that make sense, in pixels."""
MOST_FRAMES = 256


@dataclass(frozen=True, kw_only=True)
class Config:
    frames: int = 8
    """Frames taken of a film, evenly spread over its length; of a shorter one all there are."""
    size: int = 0
    """Side of the square every frame is brought to, in pixels; 0 decides from the headers of some films."""
    fit: Literal["pad", "crop", "squash"] = "pad"
    """How a frame becomes a square: keep all of it and continue its edges, keep its middle, or distort it."""
    sampling: Literal["even", "key"] = "even"
    """Of a long film, take the frames at even distances, or the key frames before them, which cost less to decode."""
    shift: float = 0.0625
    """Training only: largest random shift in each direction, the same for all frames of a film, as a part of the side.
    """
    flip: bool = False
    """Training only: mirror every second film left to right. Off because a mirror image can mean something else."""
    brightness: float = 0.1
    """Training only: largest random change of brightness, as a fraction, the same for all frames of a film."""

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= MOST_FRAMES:
            raise ValueError(f"frames must be from 1 to {MOST_FRAMES}; got {self.frames}")
        if self.size != 0 and not SMALLEST <= self.size <= LARGEST:
            raise ValueError(f"size must be 0 (decide from the films) or {SMALLEST} to {LARGEST}; got {self.size}")
        if not 0 <= self.shift <= 0.5:
            raise ValueError(f"shift must be from 0 to 0.5 of the side; got {self.shift}")
        if not 0 <= self.brightness < 1:
            raise ValueError(f"brightness must be at least 0 and below 1; got {self.brightness}")
