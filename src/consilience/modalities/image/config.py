"""How pictures are prepared: the one place that holds the defaults. Knows no data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SMALLEST, LARGEST = 16, 1024
"""Sides of the square that make sense, in pixels: encoders and features need a few cells; more is out of scope."""


@dataclass(frozen=True, kw_only=True)
class Config:
    size: int = 0
    """Side of the square every picture is brought to, in pixels; 0 decides from the headers of some pictures."""
    fit: Literal["pad", "crop", "squash"] = "pad"
    """How a picture becomes a square: keep all of it and continue its edges, keep its middle, or distort it."""
    background: tuple[int, int, int] = (255, 255, 255)
    """Red, green and blue (0 to 255) put behind transparent pixels."""
    grey_range: tuple[float, float] = (0.0, 0.0)
    """Of images with more than 8 bits of grey (X-rays, CT, depth): the levels that become black and white. Equal ones
    decide from the training images: 8, 10, 12, 14 or 16 bits, fractions from 0 to 1, or else their lowest and highest
    level."""
    shift: float = 0.0625
    """Training only: largest random shift in each direction, as a fraction of the side (edges are continued)."""
    flip: bool = False
    """Training only: mirror every second picture left to right. Off because a mirror image can mean something else."""
    brightness: float = 0.0
    """Training only: largest random change of brightness, as a fraction (0.2 multiplies by 0.8 to 1.2)."""

    def __post_init__(self) -> None:
        if self.size != 0 and not SMALLEST <= self.size <= LARGEST:
            raise ValueError(f"size must be 0 (decide from the pictures) or {SMALLEST} to {LARGEST}; got {self.size}")
        if not all(0 <= value <= 255 for value in self.background):
            raise ValueError(f"background must be three numbers from 0 to 255; got {list(self.background)}")
        if not self.grey_range[0] <= self.grey_range[1]:
            raise ValueError(f"grey_range must be the lower level, then the higher one; got {list(self.grey_range)}")
        if not 0 <= self.shift <= 0.5:
            raise ValueError(f"shift must be from 0 to 0.5 of the side; got {self.shift}")
        if not 0 <= self.brightness < 1:
            raise ValueError(f"brightness must be at least 0 and below 1; got {self.brightness}")
