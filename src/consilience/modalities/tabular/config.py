"""How a table of numbers, categories and dates is read and prepared. Knows no statistics: those live in State."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from consilience.modalities.base import MISSING_MARKERS

Kind = Literal["number", "category", "date"]


@dataclass(frozen=True, kw_only=True)
class Config:
    columns: dict[str, Kind] = field(default_factory=dict)
    """What each column holds, in the order of the columns; columns that are not named are decided from the data."""
    flags: tuple[str, ...] = ()
    """Number columns of nothing but 0 and 1, decided from the data where none is named: true and false are read too."""
    missing_markers: tuple[str, ...] = MISSING_MARKERS
    """Texts (or numbers, as "-999") that mean missing, as they are written; an empty cell always does."""
    tail: float = 0.01
    """Share of the numbers at each end that is pulled in before mean and spread are measured; 0 counts all fully."""
    limit: float = 10.0
    """Standardised numbers are cut off at plus and minus this many standard deviations."""
    log: Literal["auto", "never"] = "auto"
    """"auto" takes log(1 + x) of numbers that are never negative and far from symmetric (encoders only)."""
    ranks: bool = True
    """Classic learners also see where each number stands among the training rows, 0 to 1: a bound on outliers."""
    max_categories: int = 64
    """Categories kept of each column, the most frequent first; the rest share one place called "other"."""
    min_count: int = 2
    """Training rows a category must have to be kept."""
    noise: float = 0.0
    """Augmentation: spread of the noise added to standardised numbers, in standard deviations; 0 is off."""
    column_dropout: float = 0.0
    """Augmentation: chance that a column of a row is taken as missing; 0 is off."""

    def __post_init__(self) -> None:
        checks = {
            "tail must be at least 0 and below 0.5": 0 <= self.tail < 0.5,
            "limit must be above 0": self.limit > 0,
            "max_categories must be at least 1": self.max_categories >= 1,
            "min_count must be at least 1": self.min_count >= 1,
            "noise must be at least 0": self.noise >= 0,
            "column_dropout must be at least 0 and below 1": 0 <= self.column_dropout < 1,
        }
        problems = [rule for rule, held in checks.items() if not held]
        if problems:
            raise ValueError("; ".join(problems))
