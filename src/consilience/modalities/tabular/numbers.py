"""Raw cells to numbers, by the form of their column (core/number_forms.py). Knows no training data, no statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np

from consilience.core.number_forms import EXACT, NumberForm, tidy

Value = float | int | str | None
Parser = Callable[[Any], Any]
"""From a cell to its Value; raises Unusable."""


class Unusable(ValueError):
    """One part of a row cannot be used; the message continues a sentence ("is not a number")."""


def number_parser(markers: tuple[str, ...], *, point: str = ".", unit: str = "") -> Parser:
    """A function from a cell to a finite float or None; whole numbers beyond 2**53, which floats cannot tell apart,
    stay whole. Raises Unusable for what is not a number, or is written in another form."""
    words = frozenset(markers)
    numeric = frozenset(v for v in map(_plain, markers) if v is not None and math.isfinite(v))
    form = NumberForm(point=point, unit=unit)
    plain = _plain if point == "." else _plain_without_point
    exact = float(EXACT)

    def number(cell: Any) -> float | int | None:
        if cell is None:
            return None
        if isinstance(cell, str):
            value = plain(cell)
            if value is None:
                text = tidy(cell)
                if not text or text in words:
                    return None
                try:
                    value = form.read(text)
                except ValueError as error:
                    raise Unusable(str(error)) from None
            elif -exact < value < exact:
                return None if numeric and value in numeric else value
            else:
                if value - value != 0.0 and cell.strip() in words:  # "nan" is both; "inf" may be a marker
                    return None
                value = _whole(cell, value)
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


def is_plain(text: str) -> bool:
    """Whether a text is a number in whatever form numbers are."""
    return _plain(text) is not None


def _plain(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if "_" in text else value  # float("1_000") works in Python and is an identifier anywhere else


def _plain_without_point(text: str) -> float | None:
    """Where commas are for decimals, 1.234 is left to the form."""
    return None if "." in text else _plain(text)


def _whole(text: str, value: float) -> float | int:
    """The exact number of a text that float() may have rounded, where it is whole."""
    try:
        return value if value - value != 0.0 else int(text)
    except ValueError:  # 1e20
        return value


def _number_of_object(cell: Any) -> float | int:
    """Whole numbers, booleans, NumPy scalars, decimals."""
    if isinstance(cell, np.datetime64 | np.timedelta64 | bytes | date):
        if cell != cell:
            return math.nan
        raise Unusable("is not a number")
    try:
        value = float(cell)
        if -EXACT < value < EXACT or value - value != 0.0:
            return value
        whole = int(cell)
        return whole if whole == cell else value
    except OverflowError:
        raise Unusable("is infinite or too large") from None
    except (TypeError, ValueError):
        raise Unusable("is not a number") from None
