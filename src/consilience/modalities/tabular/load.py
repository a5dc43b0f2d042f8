"""Raw cells to numbers, category labels and dates. Needs no training data and knows no statistics.

A loaded row is a tuple with one entry per column: float (a number, or a date as days since 1970-01-01 UTC, with the
time of day as the fraction), str (a category), or None (missing). Speed matters here: every row passes through.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from consilience.core.errors import BadCell
from consilience.modalities.tabular.config import Config
from consilience.modalities.tabular.meaning import PLAIN_FLAGS, TRUE

Value = float | str | None
Parser = Callable[[Any], Value]

LONGEST = 1_000
"""Characters of the longest number, date or category; more is a text or a mistake."""
SHOWN = 30
"""Characters of a bad part that a remark repeats."""


class Unusable(ValueError):
    """One part of a row cannot be used; the message continues a sentence ("is not a number")."""


def load_row(cell: Sequence[Any], config: Config) -> tuple[tuple[Value, ...] | None, list[str]]:
    """One row: its values (None when all are missing) and remarks on parts that had to be taken as missing.

    Raises BadCell when some part failed and nothing is left.
    """
    plan = parsers(tuple(config.columns.items()), config.missing_markers, config.flags)
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


@lru_cache(maxsize=64)
def parsers(
    columns: tuple[tuple[str, str], ...], markers: tuple[str, ...], flags: tuple[str, ...] = ()
) -> tuple[Parser, ...]:
    """One parser per column. Cached by content: a table of a million rows builds them once."""
    build = {"number": number_parser, "category": category_parser, "date": date_parser}
    plan = {name: build[kind](markers) for name, kind in columns}
    return tuple(flag_parser(parse) if name in flags else parse for name, parse in plan.items())


def flag_parser(parse: Parser) -> Parser:
    """Reads the words that programs write for a flag ("TRUE", "f"), where `parse` reads numbers."""
    words = {word: float(flag == TRUE) for word, flag in PLAIN_FLAGS.items()}

    def flag(cell: Any) -> Value:
        found = words.get(cell.strip().lower()) if isinstance(cell, str) else None
        return parse(cell) if found is None else found

    return flag


# ---------------------------------------------------------------------------------------------------------- numbers

_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


def number_parser(markers: tuple[str, ...]) -> Parser:
    """A function from a cell to a finite float or None; raises Unusable for what is not a number."""
    words = frozenset(markers)
    numeric = frozenset(v for v in map(_plain, markers) if v is not None and math.isfinite(v))

    def number(cell: Any) -> float | None:
        if cell is None:
            return None
        if isinstance(cell, str):
            value = _plain(cell)
            if value is None:
                text = tidy(cell)
                if not text or text in words:
                    return None
                value = _written(text)
            elif value - value != 0.0 and cell.strip() in words:  # "nan" is both; "inf" may be a marker
                return None
        elif type(cell) is float:
            value = cell
        else:
            value = _number_of_object(cell)
        if value - value != 0.0:  # only NaN and infinity are not zero here, and this is quicker than math.isfinite
            if value != value:
                return None
            raise Unusable("is infinite or too large")
        return None if numeric and value in numeric else value

    return number


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


def tidy(text: str) -> str:
    """NFKC (fullwidth digits and signs become plain), the real minus sign to a hyphen, no white space around."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", text[:LONGEST]).replace("\u2212", "-").strip()


def _plain(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if "_" in text else value  # float("1_000") works in Python and is an identifier anywhere else


def _written(text: str) -> float:
    """Thousands separators and percent signs; 12 % is 0.12."""
    percent = text.endswith("%")
    body = text[:-1].rstrip() if percent else text
    if len(body) <= LONGEST and _THOUSANDS.fullmatch(body):
        body = body.replace(",", "")
    value = _plain(body)
    if value is None or value != value:
        raise Unusable("is not a number")
    return value / 100 if percent else value


def _number_of_object(cell: Any) -> float:
    """Whole numbers, booleans, NumPy scalars, decimals."""
    if isinstance(cell, np.datetime64 | np.timedelta64 | bytes | date):
        if cell != cell:
            return math.nan
        raise Unusable("is not a number")
    try:
        return float(cell)
    except OverflowError:
        raise Unusable("is infinite or too large") from None
    except (TypeError, ValueError):
        raise Unusable("is not a number") from None


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


# ------------------------------------------------------------------------------------------------------------ dates

_TIME = (
    r"(?:(?:T|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?)?"
)
_NAMED = r"(?P<name>[A-Za-z]{3,9})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,?\s+)?"
_YEAR = r"(?P<year>\d{4})"
_FORMS = tuple(
    re.compile(form + _TIME, re.IGNORECASE)
    for form in (
        rf"{_YEAR}(?P<sep>[-/.])(?P<month>\d{{1,2}})(?P=sep)(?P<day>\d{{1,2}})",
        r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?" + _YEAR,
        rf"{_WEEKDAY}{_NAMED}[\s-]+{_DAY},?[\s-]+{_YEAR}",
        rf"{_WEEKDAY}{_DAY}\.?[\s-]+{_NAMED},?[\s-]+{_YEAR}",
        rf"{_YEAR}(?:[-/](?P<month>\d{{1,2}}))?",
    )
)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_SECONDS = 86_400.0


def date_parser(markers: tuple[str, ...]) -> Parser:
    """A function from a cell to days since 1970-01-01 or None. A time with an offset is brought to UTC; one without
    is taken as it stands. Dates like 01/02/2020 are refused: nothing in them says which is the month."""
    words = frozenset(markers)

    def parse(cell: Any) -> float | None:
        if cell is None:
            return None
        if not isinstance(cell, str):
            return _date_of_object(cell)
        try:
            return _days(datetime.fromisoformat(cell))
        except ValueError:
            text = tidy(cell)
            return None if not text or text in words else _date_of_text(text)

    return parse


def _days(moment: datetime) -> float:
    seconds = (moment.hour * 60 + moment.minute) * 60 + moment.second + moment.microsecond / 1e6
    if moment.tzinfo is not None and (offset := moment.utcoffset()) is not None:
        seconds -= offset.total_seconds()
    return moment.toordinal() - _EPOCH + seconds / _DAY_SECONDS


def _date_of_object(cell: Any) -> float | None:
    if isinstance(cell, np.datetime64):
        cell = cell.astype("datetime64[us]").item()
        if cell is None:
            return None
    if cell != cell:  # NaN and pandas' NaT, which calls itself a datetime
        return None
    if isinstance(cell, datetime):
        return _days(cell)
    if isinstance(cell, date):
        return float(cell.toordinal() - _EPOCH)
    if isinstance(cell, int | float | np.integer | np.floating) and not isinstance(cell, bool) and 0 < cell < 1e8:
        whole = int(cell)
        if whole == cell:  # 2020 or 20200131; seconds since 1970 look like any other number and are not guessed
            return _date_of_text(str(whole))
    raise Unusable("is not a date")


@lru_cache(maxsize=8192)  # slow, and the dates of a table repeat
def _date_of_text(text: str) -> float:
    if len(text) <= 64:
        try:
            return _days(datetime.fromisoformat(text))
        except ValueError:
            pass
        for form in _FORMS:
            if match := form.fullmatch(text):
                try:
                    return _date_of_match(match.groupdict())
                except ValueError:  # the 31st of February, hour 25
                    break
    raise Unusable("is not a date")


def _date_of_match(part: dict[str, str | None]) -> float:
    month = _month(part["name"]) if part.get("name") else int(part.get("month") or 1)
    hour = int(part["hour"] or 0)
    if part["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("hour")
        hour = hour % 12 + (12 if part["half"][0] in "Pp" else 0)
    moment = datetime(
        int(part["year"] or 0),
        month,
        int(part.get("day") or 1),
        hour,
        int(part["minute"] or 0),
        int(part["second"] or 0),
    )
    seconds = float(part["fraction"] or 0)
    zone = part["zone"]
    if zone and zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        offset = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return _days(moment) + seconds / _DAY_SECONDS


def _month(name: str | None) -> int:
    low = (name or "").lower()
    for number, full in enumerate(_MONTHS, 1):
        if low == full or low == full[:3] or (low == "sept" and number == 9):
            return number
    raise ValueError("month")
