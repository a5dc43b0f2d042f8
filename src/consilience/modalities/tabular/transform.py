"""The fitted column types: what is learned from a column's training cells, and the two matrices made of its parts.

`scaled` is for networks (standardised, 0 where missing, an indicator where training rows had gaps), `raw` for classic
learners (as measured, NaN where missing). One class per kind; each knows its own column and no other.

Shape legend: U cells, K places of one column in the matrix.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from consilience.core.number_forms import EXACT
from consilience.modalities.tabular.config import Config
from consilience.modalities.tabular.dates import ORDERS
from consilience.modalities.tabular.load import POINTS
from consilience.modalities.tabular.meaning import flags_of, fold, meanings
from consilience.modalities.tabular.stats import HUGE, centre_and_scale, count

Parts = Sequence[Any]
"""The parts of one column, one per cell: float or str, None where missing."""

LARGEST = float(np.finfo(np.float32).max)

_KNOTS = 33
"""Quantiles kept of a number, for its rank."""
_FAR = 1000
"""Numbers further from zero than so many times their span keep too few digits in float32."""
_MOST_CODES = 1024
"""Distinct numbers kept of a column in which float32 cannot tell them apart."""
_FEW = 10
"""Numbers with fewer distinct values than this are codes or flags, not amounts: ranks would say the same again."""


@dataclass(frozen=True, kw_only=True)
class NumberColumn:
    """z = (x - origin - mean) / scale, of sign(x) log(1 + |x|) where `log`; gaps: some training row had no number.

    `origin`: the smallest training number, where float32 alone would make different numbers equal (ids, time stamps),
    else 0. A whole number, however large, is taken from another exactly.
    `knots`: quantiles of the training rows at equal steps (empty: no rank). A number's rank among the training rows is
    read off between them; a linear model then has a second, outlier-proof shape of the number to lean on.
    `codes`: every distinct number, where even their distances from the origin are equal in float32; the rank is then
    their place among these.
    """

    name: str
    mean: float
    scale: float
    log: bool
    constant: bool
    gaps: bool
    knots: tuple[float, ...] = ()
    origin: float | int = 0
    codes: tuple[float | int, ...] = ()

    @classmethod
    def fit(cls, name: str, parts: Parts, weights: np.ndarray, config: Config) -> NumberColumn:
        origin, codes = _origin(parts, weights)
        counted = count(numbers(parts, origin), weights)
        log = not origin and config.log == "auto" and _deserves_log(counted.values, counted.clipped(config.tail))
        if log:
            counted = count(_signed_log(counted.values), counted.counts)
        mean, scale = centre_and_scale(counted, config.tail)
        return cls(
            name=name,
            mean=mean,
            scale=scale,
            log=log,
            constant=len(counted.values) < 2,
            gaps=_has_gaps(parts, weights),
            knots=counted.quantiles(_KNOTS) if config.ranks and not codes and len(counted.values) >= _FEW else (),
            origin=origin,
            codes=codes,
        )

    def scaled(self, parts: Parts, limit: float) -> np.ndarray:
        raw = numbers(parts, self.origin)
        z = _standard(_signed_log(raw) if self.log else raw, self.mean, self.scale, limit)
        return _with_indicator(z[:, None], np.isnan(raw), self.gaps)

    def raw(self, parts: Parts) -> np.ndarray:
        raw = numbers(
            parts, self.origin
        )  # trees split a skewed number and its logarithm alike; a linear model does not
        shaped = np.clip(_signed_log(raw) if self.log else raw, -LARGEST, LARGEST)
        columns = [shaped]
        if self.codes:
            last = max(1, len(self.codes) - 1)
            places = [None if p is None else bisect_left(self.codes, _exact(p)) / last for p in parts]
            columns.append(np.array(places, np.float64))
        elif self.knots:
            columns.append(self._rank(shaped))
        return np.column_stack(columns).astype(np.float32)

    def _rank(self, shaped: np.ndarray) -> np.ndarray:
        """0 to 1. Where many training rows hold one number, it is the middle of their ranks, from whichever side."""
        steps = np.linspace(0.0, 1.0, len(self.knots))
        knots, first, times = np.unique(self.knots, return_index=True, return_counts=True)
        return np.interp(shaped, knots, (steps[first] + steps[first + times - 1]) / 2)  # NaN stays NaN

    @property
    def raw_names(self) -> tuple[str, ...]:
        name = f"log {self.name}" if self.log else self.name
        return (name, f"{self.name}: rank") if self.knots or self.codes else (name,)

    @property
    def width(self) -> int:
        return 1 + self.gaps

    @property
    def noisy(self) -> bool:
        """Whether the first place is a number that noise may be added to; noise on a constant would be a signal."""
        return not self.constant


@dataclass(frozen=True, kw_only=True)
class CategoryColumn:
    """One place per kept category, one for all others, one for missing where some training row had none. A label in
    another form than in training ("7" for "007") has the place of the one category that it can mean."""

    name: str
    categories: tuple[str, ...]
    gaps: bool
    exact: tuple[str, ...] = ()
    """Categories whose meaning a training label that was not kept has too: no other form is taken for them."""
    noisy = False

    @classmethod
    def fit(cls, name: str, parts: Parts, weights: np.ndarray, config: Config) -> CategoryColumn:
        rows: dict[str, float] = {}
        for label, weight in zip(parts, weights.tolist(), strict=True):
            if label is not None and weight > 0:
                rows[label] = rows.get(label, 0.0) + weight
        enough = [label for label, n in rows.items() if n >= config.min_count]
        kept = sorted(enough, key=lambda label: (-rows[label], label))[: config.max_categories]
        flags, known = flags_of(kept), set(kept)
        others = {fold(label, flags) for label in rows if label not in known}
        exact = sorted(label for label in kept if fold(label, flags) in others)
        return cls(name=name, categories=tuple(kept), gaps=_has_gaps(parts, weights), exact=tuple(exact))

    @cached_property
    def _place(self) -> dict[str, int]:
        """Grows by what is met in other forms."""
        return {label: i for i, label in enumerate(self.categories)}

    @cached_property
    def _meanings(self) -> tuple[dict[Hashable, int], dict[str, Hashable]]:
        return meanings(self.categories, self.exact), flags_of(self.categories)

    def meant(self, label: str) -> str | None:
        """The category a label stands for; None: it is another."""
        if label in self._place:
            return label
        by_meaning, flags = self._meanings
        place = by_meaning.get(fold(label, flags))
        return None if place is None else self.categories[place]

    def scaled(self, parts: Parts, limit: float) -> np.ndarray:
        return self.raw(parts)

    def raw(self, parts: Parts) -> np.ndarray:
        other = len(self.categories)
        missing = other + 1 if self.gaps else -1
        place = dict(self._place)
        for label in set(parts).difference(place):
            meant = None if label is None else self.meant(label)
            place[label] = missing if label is None else other if meant is None else place[meant]
        codes = np.array([place[p] for p in parts], np.int64)
        out = np.zeros((len(codes), self.width), np.float32)
        rows = np.flatnonzero(codes >= 0)
        out[rows, codes[rows]] = 1.0
        return out

    @property
    def raw_names(self) -> tuple[str, ...]:
        known = tuple(f"{self.name} = {label}" for label in self.categories)
        return (*known, f"{self.name}: other", *((f"{self.name}: missing",) if self.gaps else ()))

    @property
    def width(self) -> int:
        return len(self.categories) + 1 + self.gaps


@dataclass(frozen=True, kw_only=True)
class DateColumn:
    """Days since the first training date and the year (both standardised), month, day of the week and, where any
    training date has a time, the hour: as points on a circle, so that December is beside January."""

    name: str
    first: float
    days_mean: float
    days_scale: float
    year_mean: float
    year_scale: float
    time: bool
    gaps: bool
    noisy = False

    @classmethod
    def fit(cls, name: str, parts: Parts, weights: np.ndarray, config: Config) -> DateColumn:
        days = numbers(parts)
        counted = count(days, weights)
        first = float(np.floor(counted.values[0])) if len(counted.values) else 0.0
        days_mean, days_scale = centre_and_scale(count(days - first, weights), config.tail)
        year_mean, year_scale = centre_and_scale(count(_calendar(days)[0], weights), config.tail)
        time = bool((counted.values % 1 != 0).any())
        return cls(
            name=name,
            first=first,
            days_mean=days_mean,
            days_scale=days_scale,
            year_mean=year_mean,
            year_scale=year_scale,
            time=time,
            gaps=_has_gaps(parts, weights),
        )

    def scaled(self, parts: Parts, limit: float) -> np.ndarray:
        days = numbers(parts)
        year, *angles = _calendar(days)
        z_days = _standard(days - self.first, self.days_mean, self.days_scale, limit)
        z_year = _standard(year, self.year_mean, self.year_scale, limit)
        block = np.column_stack([z_days, z_year, np.nan_to_num(self._circles(angles))])
        return _with_indicator(block, np.isnan(days), self.gaps)

    def raw(self, parts: Parts) -> np.ndarray:
        days = numbers(parts)
        _, *angles = _calendar(days)  # days tell the year too: both would count twice in a linear model
        return np.column_stack([days - self.first, self._circles(angles)]).astype(np.float32)

    def _circles(self, angles: Iterable[np.ndarray]) -> np.ndarray:
        used = list(angles)[: 3 if self.time else 2]
        return np.column_stack([f(2 * np.pi * angle) for angle in used for f in (np.sin, np.cos)])

    @property
    def raw_names(self) -> tuple[str, ...]:
        circles = ("month", "weekday", "hour") if self.time else ("month", "weekday")
        parts = ("days", *(f"{part} {f}" for part in circles for f in ("sin", "cos")))
        return tuple(f"{self.name}: {part}" for part in parts)

    @property
    def width(self) -> int:
        return len(self.raw_names) + 1 + self.gaps  # the year


@dataclass(frozen=True, kw_only=True)
class TimeColumn:
    """The hour of the day, and the same as a point on a circle, so that 23:59 is beside 0:00."""

    name: str
    mean: float
    scale: float
    gaps: bool
    noisy = False

    @classmethod
    def fit(cls, name: str, parts: Parts, weights: np.ndarray, config: Config) -> TimeColumn:
        mean, scale = centre_and_scale(count(24 * numbers(parts), weights), config.tail)
        return cls(name=name, mean=mean, scale=scale, gaps=_has_gaps(parts, weights))

    def scaled(self, parts: Parts, limit: float) -> np.ndarray:
        raw = self.raw(parts).astype(np.float64)
        raw[:, 0] = _standard(raw[:, 0], self.mean, self.scale, limit)
        return _with_indicator(np.nan_to_num(raw), np.isnan(numbers(parts)), self.gaps)

    def raw(self, parts: Parts) -> np.ndarray:
        share = numbers(parts)
        angle = 2 * np.pi * share
        return np.column_stack([24 * share, np.sin(angle), np.cos(angle)]).astype(np.float32)

    @property
    def raw_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}: {part}" for part in ("hour", "hour sin", "hour cos"))

    @property
    def width(self) -> int:
        return 3 + self.gaps


Column = NumberColumn | CategoryColumn | DateColumn | TimeColumn
KINDS: dict[str, Any] = {
    **dict.fromkeys(POINTS, NumberColumn),
    **dict.fromkeys(ORDERS, DateColumn),
    "category": CategoryColumn,
    "time": TimeColumn,
}


def to_json(column: Column) -> dict[str, Any]:
    kind = next(kind for kind, cls in KINDS.items() if isinstance(column, cls))
    return {"kind": kind, **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(column).items()}}


def from_json(raw: dict[str, Any]) -> Column:
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "kind"}
    column: Column = KINDS[raw["kind"]](**fields)
    return column


def numbers(parts: Parts, origin: float | int = 0) -> np.ndarray:
    """[U] float64, how far they are from the origin, NaN where missing."""
    if not isinstance(origin, int):
        return np.array(parts, np.float64) - origin
    if not origin:
        return np.array(parts, np.float64)  # NumPy turns None into NaN
    return np.array([None if part is None else _exact(part) - origin for part in parts], np.float64)


def _exact(part: float | int) -> float | int:
    """A whole number as such: taken from another, nothing of it is rounded."""
    return int(part) if isinstance(part, float) and part.is_integer() else part


def _origin(parts: Parts, weights: np.ndarray) -> tuple[float | int, tuple[float | int, ...]]:
    """What to take away from the numbers of a column before they become float32 (0 where nothing is lost, usually the
    smallest, where a few lie far from all others, as -1 among account ids, one in the middle), and all distinct numbers
    where that does not help."""
    rounded = np.array(parts, np.float64)
    values = np.unique(rounded[~np.isnan(rounded) & (weights > 0)])
    if not len(values) or max(-values[0], values[-1]) >= HUGE:
        return 0, ()
    largest, span = max(-values[0], values[-1]), values[-1] - values[0]
    near = largest <= _FAR * span or len(values) < 2
    if near and largest < EXACT and not _alike(values, len(values)):
        return 0, ()
    counts = zip(parts, weights.tolist(), strict=True)
    exact = sorted({_exact(part) for part, weight in counts if part is not None and weight > 0})
    for origin in (0, exact[0], exact[len(exact) // 2])[0 if near else 1 :]:
        if not _alike(np.array([value - origin for value in exact], np.float64), len(exact)):
            return origin, ()
    return exact[0] if largest >= EXACT or not near else 0, tuple(exact) if len(exact) <= _MOST_CODES else ()


def _alike(values: np.ndarray, distinct: int) -> bool:
    """Whether float32 makes many of so many distinct numbers equal. A few are by chance, of any that are dense."""
    narrow = np.unique(np.clip(values, -LARGEST, LARGEST).astype(np.float32))
    return distinct - len(narrow) > 0.01 * distinct


def _has_gaps(parts: Parts, weights: np.ndarray) -> bool:
    return any(part is None and weight > 0 for part, weight in zip(parts, weights, strict=True))


def _signed_log(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.log1p(np.abs(x))


def _deserves_log(values: np.ndarray, clipped: Any) -> bool:
    """Never negative, more than a handful of distinct numbers, and the logarithm at least halves a strong skew."""
    if len(values) < _FEW or values[0] < 0 or clipped.skewness < 2:
        return False
    logged = count(_signed_log(clipped.values), clipped.counts)
    return abs(logged.skewness) < clipped.skewness / 2


def _standard(x: np.ndarray, mean: float, scale: float, limit: float) -> np.ndarray:
    with np.errstate(over="ignore"):  # a number far outside the training range: the limit takes care of it
        return np.nan_to_num(np.clip((x - mean) / scale, -limit, limit), nan=0.0)


def _with_indicator(block: np.ndarray, missing: np.ndarray, gaps: bool) -> np.ndarray:
    columns = [block, missing[:, None]] if gaps else [block]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _calendar(days: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Year, and month, day of the week (Monday is 0) and time of day as shares of their cycles; NaN where missing."""
    missing = np.isnan(days)
    whole = np.floor(np.where(missing, 0.0, days))
    day = whole.astype(np.int64)
    dates = day.astype("datetime64[D]")
    year = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    month = dates.astype("datetime64[M]").astype(np.int64) % 12
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
    parts = (year.astype(np.float64), month / 12, weekday / 7, days - whole)
    for part in parts:
        part[missing] = np.nan
    return parts
