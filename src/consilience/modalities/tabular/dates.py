"""Raw cells to dates and times of day. Needs no training data and knows no statistics.

Which of 3/4/2023 is the day is decided for a column as a whole (`order_of`), never for a cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

import numpy as np

from consilience.core.number_forms import tidy
from consilience.modalities.tabular.numbers import Parser, Unusable

ORDERS = {"date": "", "date_dmy": "dmy", "date_mdy": "mdy", "date_ymd": "ymd"}
"""Kinds of dates, and the order of day, month and year where they are numbers and the year does not come first."""
PIVOT = 69
"""Years of two digits from here on are of the last century: 69 is 1969, 68 is 2068, as in POSIX."""
PIVOT_NOTE = f"years of two digits are 19{PIVOT} to 20{PIVOT - 1}"

_CLOCK = (
    r"(?P<half>上午|下午|[AaPp]\.?[Mm]\.?\s+)?\s*(?P<hour>\d{1,2})(?::|时|点)"
    r"(?:(?P<minute>\d\d)(?:(?::|分)(?:(?P<second>\d\d)(?P<fraction>\.\d{1,9})?秒?)?)?)?"
    r"\s*(?P<half2>[AaPp]\.?[Mm]\.?)?"
)
_ZONE = r"\s*(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?"
_NAMED = r"(?P<name>[^\W\d_]{3,10})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,?\s+)?"
_YEAR = r"(?P<year>\d{4})"


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern + r"(?:(?:T|,?\s+)" + _CLOCK + _ZONE + ")?", re.IGNORECASE)


_FORMS = (
    _form(rf"{_YEAR}(?P<sep>[-/.])(?P<month>\d{{1,2}})(?P=sep)(?P<day>\d{{1,2}})"),
    _form(r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?" + _YEAR),
    _form(rf"{_WEEKDAY}{_NAMED}[\s-]+{_DAY},?[\s-]+{_YEAR}"),
    _form(rf"{_WEEKDAY}{_DAY}\.?[\s/-]+(?:de\s+)?{_NAMED},?[\s/-]+(?:de\s+)?{_YEAR}"),
    _form(rf"{_DAY}(?P<sep>[\s/-]){_NAMED}(?P=sep)'?(?P<year>\d{{2}})"),
    re.compile(rf"{_WEEKDAY}{_NAMED}\s+{_DAY}\s+{_CLOCK}\s+(?:(?P<zone>UTC|GMT)\s+)?{_YEAR}", re.IGNORECASE),
    re.compile(
        r"(?P<year>\d{4})\s*[年년]\s*(?:(?P<month>\d{1,2})\s*[月월]\s*(?:(?P<day>\d{1,2})\s*[日号일]\s*"
        rf"(?:[(（]?(?:星期|周|礼拜)[一二三四五六日天][)）]?\s*)?(?:{_CLOCK}{_ZONE})?)?)?"
    ),
    _form(rf"{_YEAR}(?:[-/](?P<month>\d{{1,2}}))?"),
)
_NUMBER_OF = {"d": r"(?P<day>\d{1,2})", "m": r"(?P<month>\d{1,2})", "y": r"(?P<year>\d{4}|\d{2})"}
_ORDERED = {
    order: _form(r"{}(?P<sep>[-/.])\s?{}(?P=sep)\s?{}".format(*map(_NUMBER_OF.__getitem__, order)))
    for order in ORDERS.values()
    if order
}
_NUMERIC = re.compile(r"(\d{1,2})([-/.])\s?(\d{1,2})\2\s?(\d{4}|\d{2})(?:(?:T|,?\s+)\D{0,3}\d{1,2}:.*)?")
_CLOCK_ALONE = re.compile(_CLOCK)
_MONTHS = {
    1: "january jan januar janvier janv enero ene gennaio janeiro januari",
    2: "february feb februar février fevrier févr fevr febrero febbraio fevereiro februari",
    3: "march mar märz maerz mrz mars marzo março maart",
    4: "april apr avril avr abril aprile abr",
    5: "may mai mayo maggio maio mei",
    6: "june jun juni juin junio giugno junho",
    7: "july jul juli juillet juil julio luglio julho",
    8: "august aug août aout agosto augustus ago",
    9: "september sep sept septembre septiembre settembre setembro",
    10: "october oct oktober okt octobre octubre ottobre outubro",
    11: "november nov novembre noviembre novembro",
    12: "december dec dezember dez décembre decembre déc diciembre dicembre dezembro dic",
}
_MONTH = {name: number for number, names in _MONTHS.items() for name in names.split()}
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_SECONDS = 86_400.0


def date_parser(markers: tuple[str, ...], *, order: str = "") -> Parser:
    """A function from a cell to days since 1970-01-01 or None. A time with an offset is brought to UTC; one without
    is taken as it stands. `order`: which comes first in dates like 01/02/2020; without one they are refused, as
    nothing in them says which is the month."""
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
            return None if not text or text in words else _date_of_text(text, order)

    return parse


def time_parser(markers: tuple[str, ...]) -> Parser:
    """A function from a cell to the time of day as a share of the day, 0 to 1, or None: 14:30, 2:30 pm, 下午2:30. Of a
    date with a time it is the time; of a number (a spreadsheet writes 0.5 for noon) the number, where it is a share."""
    words = frozenset(markers)

    def parse(cell: Any) -> float | None:
        if cell is None or cell != cell:
            return None
        if isinstance(cell, str):
            text = tidy(cell)
            return None if not text or text in words else _time_of_text(text)
        if isinstance(cell, time | datetime):
            return ((cell.hour * 60 + cell.minute) * 60 + cell.second + cell.microsecond / 1e6) / _DAY_SECONDS
        if isinstance(cell, float | np.floating) and 0 <= cell < 1:
            return float(cell)
        raise Unusable("is not a time of day")

    return parse


def looks_like_date(text: str) -> bool:
    """Whether a tidy text is a date in some order."""
    try:
        _date_of_text(text, "")
    except Unusable:
        return _NUMERIC.fullmatch(text) is not None
    return True


def looks_like_time(text: str) -> bool:
    """Whether a tidy text is a time of day."""
    try:
        _time_of_text(text)
    except Unusable:
        return False
    return True


def order_of(texts: Sequence[str]) -> tuple[str, str]:
    """The order of day, month and year that dates like 03/04/2023 of one column have, and why; ("", "") where they are
    no such dates, ("?", why) where nothing says which is the day."""
    if not any(_NUMERIC.fullmatch(tidy(text)) for text in texts[:20]):
        return "", ""
    matches = [match for text in texts if (match := _NUMERIC.fullmatch(tidy(text)))]
    if len(matches) < 0.9 * len(texts):
        return "", ""
    short = any(len(match[4]) == 2 for match in matches)
    if all(match[2] == "." and len(match[4]) == 4 for match in matches) and all(int(m[3]) <= 12 for m in matches):
        return "", ""  # 31.12.2023 is understood without an order
    right = {order: _share(texts, order) for order in (("dmy", "mdy", "ymd") if short else ("dmy", "mdy"))}
    if short and right["ymd"] >= 0.95:  # 23/01/31 or 31/01/23: the day has more values than the year
        first, last = len({match[1] for match in matches}), len({match[4] for match in matches})
        if 2 * last < first:
            del right["ymd"]
        elif 2 * first < last and max(right["dmy"], right["mdy"]) < right["ymd"]:
            return "ymd", f"the year comes first; {PIVOT_NOTE}"
    best = max(right, key=right.__getitem__)
    example = matches[0][0]
    if right[best] < 0.9:
        return "?", f"dates like {example} are neither all day first nor all month first"
    others = [order for order in right if order != best and right[order] >= right[best]]
    if others:
        why = "no day is above 12" if best in ("dmy", "mdy") and "ymd" not in others else "day and year look alike"
        return "?", f"in dates like {example} {why}, so nothing says whether the day or the month comes first"
    what = {"dmy": "the day comes first", "mdy": "the month comes first", "ymd": "the year comes first"}[best]
    return best, f"{what}, as days above 12 show" + (f"; {PIVOT_NOTE}" if short else "")


def _share(texts: Sequence[str], order: str) -> float:
    right = 0
    for text in texts:
        try:
            _date_of_text(tidy(text), order)
            right += 1
        except Unusable:
            continue
    return right / len(texts)


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
            return _date_of_text(str(whole), "")
    raise Unusable("is not a date")


@lru_cache(maxsize=8192)  # slow, and the dates of a table repeat
def _date_of_text(text: str, order: str) -> float:
    if len(text) <= 64:
        try:
            return _days(datetime.fromisoformat(text))
        except ValueError:
            pass
        for form in (_ORDERED[order], *_FORMS) if order else _FORMS:
            if match := form.fullmatch(text):
                try:
                    return _date_of_match(match.groupdict())
                except ValueError:  # the 31st of February, hour 25
                    break
        if not order and _NUMERIC.fullmatch(text):
            raise Unusable("is not a date that can be read without knowing whether the day or the month comes first")
    raise Unusable("is not a date")


def _date_of_match(part: dict[str, str | None]) -> float:
    month = _month(part["name"]) if part.get("name") else int(part.get("month") or 1)
    year = part["year"] or ""
    century = 0 if len(year) > 2 else 1900 if int(year) >= PIVOT else 2000
    days = date(century + int(year), month, int(part.get("day") or 1)).toordinal() - _EPOCH
    seconds = _seconds(part) if part.get("hour") else 0.0
    zone = part.get("zone")
    if zone and zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        offset = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return days + seconds / _DAY_SECONDS


def _seconds(part: dict[str, str | None]) -> float:
    """Since midnight. Raises ValueError for hour 25."""
    hour = int(part["hour"] or 0)
    half = (part["half"] or part["half2"] or "").strip()
    if half and half[0] in "AaPp" and not 1 <= hour <= 12:
        raise ValueError("hour")
    if half:
        afternoon = half[0] in "Pp下"
        hour = hour if half[0] in "上下" and hour > 12 else hour % 12 + 12 * afternoon
    minute, second = int(part["minute"] or 0), int(part["second"] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("time")
    return (hour * 60 + minute) * 60 + second + float(part["fraction"] or 0)


@lru_cache(maxsize=8192)
def _time_of_text(text: str) -> float:
    match = _CLOCK_ALONE.fullmatch(text) if len(text) <= 64 else None
    hour_alone = re.fullmatch(r"(\d{1,2})\s*([AaPp])\.?[Mm]\.?", text)  # 7 pm
    try:
        if match and (match["minute"] or "点" in text or "时" in text):
            return _seconds(match.groupdict()) / _DAY_SECONDS
        if hour_alone and 1 <= int(hour_alone[1]) <= 12:
            return (int(hour_alone[1]) % 12 + 12 * (hour_alone[2] in "Pp")) / 24
    except ValueError:
        pass
    raise Unusable("is not a time of day")


def _month(name: str | None) -> int:
    number = _MONTH.get((name or "").lower())
    if number is None:
        raise ValueError("month")
    return number
