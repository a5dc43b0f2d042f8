"""Raw cells to numbers, category labels, dates and times. Needs no training data and knows no statistics.

A loaded row is a tuple with one entry per column: float (a number; a date as days since 1970-01-01 UTC, with the time
of day as the fraction; a time as a fraction of the day), int (a whole number beyond 2**53), str (a category), or None
(missing). Speed matters here: every row passes through.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from consilience.core.errors import BadCell
from consilience.core.number_forms import LONGEST, tidy
from consilience.modalities.tabular.config import Config
from consilience.modalities.tabular.dates import ORDERS, date_parser, time_parser
from consilience.modalities.tabular.meaning import PLAIN_FLAGS, TRUE
from consilience.modalities.tabular.numbers import Parser, Unusable, Value, number_parser

SHOWN = 30
"""Characters of a bad part that a remark repeats."""


def load_row(cell: Sequence[Any], config: Config) -> tuple[tuple[Value, ...] | None, list[str]]:
    """One row: its values (None when all are missing) and remarks on parts that had to be taken as missing.

    Raises BadCell when some part failed and nothing is left.
    """
    plan = _plan(config)
    try:
        values = tuple([parse(part) for parse, part in zip(plan, cell, strict=True)])
        return (None if values.count(None) == len(values) else values), []
    except Unusable:
        return _load_with_remarks(cell, config, plan)


def _load_with_remarks(cell: Sequence[Any], config: Config, plan: tuple[Parser, ...]) -> tuple[Any, list[str]]:
    values: list[Value] = []
    remarks: list[str] = []
    reasons: list[str] = []
    for name, parse, part in zip(config.columns, plan, cell, strict=True):
        try:
            values.append(parse(part))
        except Unusable as error:
            values.append(None)
            remarks.append(f"{name}: {_show(part)} {error}")
            reasons.append(f"{name} {error}")
    if values.count(None) == len(values):
        raise BadCell("nothing of the row can be used: " + "; ".join(reasons))
    return tuple(values), remarks


def _show(part: Any) -> str:
    if isinstance(part, bytes):
        return f"{len(part):,} bytes"
    if isinstance(part, str):
        return repr(part[:SHOWN])
    try:
        return repr(part)[:SHOWN]
    except ValueError:  # Python refuses to print whole numbers of more than 4,300 digits
        return type(part).__name__


_last: tuple[Config | None, tuple[Parser, ...]] = (None, ())


def _plan(config: Config) -> tuple[Parser, ...]:
    """One parser per column. Rows come a table at a time, so that the last config is nearly always the next."""
    global _last
    known, plan = _last
    if known is not config:
        columns = tuple(config.columns.items())
        plan = _parsers(
            columns, config.missing_markers, tuple(config.units.items()), tuple(config.missing_words.items())
        )
        _last = config, plan
    return plan


@lru_cache(maxsize=64)
def _parsers(
    columns: tuple[tuple[str, str], ...],
    markers: tuple[str, ...],
    units: tuple[tuple[str, str], ...],
    words: tuple[tuple[str, tuple[str, ...]], ...],
) -> tuple[Parser, ...]:
    unit, more = dict(units), dict(words)
    return tuple(parser(kind, (*markers, *more.get(name, ())), unit.get(name, "")) for name, kind in columns)


def parser(kind: str, markers: tuple[str, ...], unit: str = "") -> Parser:
    """What reads the cells of a column of this kind."""
    if kind == "flag":
        return flag_parser(markers)
    if kind in POINTS:
        return number_parser(markers, point=POINTS[kind], unit=unit)
    if kind in ORDERS:
        return date_parser(markers, order=ORDERS[kind])
    return {"category": category_parser, "time": time_parser}[kind](markers)


POINTS = {"number": ".", "number_comma": ",", "flag": "."}
"""Kinds of numbers, and what parts whole and fraction in them."""


def only_flags(cells: Sequence[Any], config: Config) -> bool:
    """Whether the numbers of a column are nothing but 0 and 1, both of them."""
    parse, found = number_parser(config.missing_markers), set()
    for cell in cells:
        try:
            found.add(parse(cell))
        except Unusable:
            return False
        if not found <= {0.0, 1.0, None}:
            return False
    return found >= {0.0, 1.0}


def flag_parser(markers: tuple[str, ...]) -> Parser:
    """Reads numbers, and the words that programs write for a flag ("TRUE", "f")."""
    number, words = number_parser(markers), {word: float(flag == TRUE) for word, flag in PLAIN_FLAGS.items()}

    def flag(cell: Any) -> Value:
        found = words.get(cell.strip().lower()) if isinstance(cell, str) else None
        return number(cell) if found is None else found  # type: ignore[no-any-return]

    return flag


# ------------------------------------------------------------------------------------------------------- categories

_WHOLE_FLOAT = re.compile(r"(-?[0-9]+)\.0+")


def category_parser(markers: tuple[str, ...]) -> Parser:
    """A function from a cell to a label or None. 3, 3.0 and "3.0" are one label, as are True and "TRUE": which of
    them a file holds depends on the program that wrote it, not on what was meant."""
    words = frozenset(markers)

    def category(cell: Any) -> str | None:
        if cell is None:
            return None
        text = tidy(cell) if isinstance(cell, str) else _label_of_object(cell)
        if not text or text in words:
            return None
        if len(text) > LONGEST:
            raise Unusable(f"is too long for a category (more than {LONGEST:,} characters)")
        if text[-1] == "0" and (whole := _WHOLE_FLOAT.fullmatch(text)):
            return whole[1]
        if len(text) in (4, 5) and (low := text.lower()) in ("true", "false"):
            return low
        return text

    return category


def _label_of_object(cell: Any) -> str:
    if isinstance(cell, np.generic) and not isinstance(cell, np.datetime64):
        cell = cell.item()
    if isinstance(cell, bytes):
        raise Unusable("is not text")
    if cell != cell:  # NaN and pandas' NaT
        return ""
    try:
        return str(cell)
    except ValueError:  # a whole number of more than 4,300 digits
        raise Unusable("is too long for a category") from None
