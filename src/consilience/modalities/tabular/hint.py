"""What a column looks like that is neither numbers nor dates nor categories, and how to say what it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from consilience.core.number_forms import form_of, tidy
from consilience.modalities.base import MISSING_MARKERS, ColumnSample
from consilience.modalities.tabular.dates import order_of

_LABEL, _SPLIT = "label", "split"
"""What such cells are: labels, where they come back, or several numbers in one."""
_SHAPES: tuple[tuple[str, str, str], ...] = (
    ("e-mail addresses", _LABEL, r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    ("UUIDs", _LABEL, r"\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?"),
    ("IP addresses", _LABEL, r"(?:\d{1,3}\.){3}\d{1,3}(?::\d+|/\d+)?|(?=.*::|(?:[^:]+:){7})[0-9a-f:]{2,39}"),
    ("hashes or keys", _LABEL, r"(?=.*\d)(?=.*[a-f])(?:[0-9a-f]{2}){8,64}"),
    ("ISBNs", _LABEL, r"(?:ISBN[: ]*)?(?:97[89][- ])?\d{1,5}[- ]\d{1,7}[- ]\d{1,7}[- ][\dX]"),
    ("pairs of coordinates", _SPLIT, r"[(\[]?[+-]?\d{1,3}(?:\.\d+)?\s*[,;]\s*[+-]?\d{1,3}(?:\.\d+)?[)\]]?"),
    ("coordinates in degrees and minutes", _SPLIT, r"[NSEW]?\s*\d{1,3}\s*°.*"),
    ("version numbers", _LABEL, r"v?\d+\.\d+\.\d+(?:[.+-][\w.]+)?"),
    ("dates without a year", _SPLIT, r"\d{1,2}\s*月\s*\d{1,2}\s*[日号]|[a-z]{3,9}\.? \d{1,2}|\d{1,2}\.? [a-z]{3,9}"),
    ("durations", _SPLIT, r"\d{1,4}:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?|(?:\d+\s*[a-z]{1,7}\s*){2,4}|PT?\d+[YMWDHS].*"),
    ("sizes of several numbers", _SPLIT, r"\d[\d.,]*\s*[a-z]{0,2}\s*(?:[x×*]\s*\d[\d.,]*\s*[a-z]{0,2}\s*){1,2}"),
    ("feet and inches", _SPLIT, r"\d{1,2}\s*(?:'|′|ft)\s*\d{0,2}(?:\.\d+)?\s*(?:\"|″|''|in)?"),
    ("ranges", _SPLIT, r"[<>≤≥]=?\s*\d\S*|\d[\d.,]*\s*(?:-|–|~|to|至|到)\s*\d[\d.,]*\s*\w{0,4}|\d[\d.,]*\s*\+"),
    ("fractions", _SPLIT, r"(?:\d+ )?\d+\s*/\s*\d+"),
    ("phone numbers", _LABEL, r"(?:\+|00)?\(?\d[\d\s().-]{5,18}\d(?:\s*(?:x|ext\.?)\s*\d+)?"),
)  # fmt: skip
_DIGIT = re.compile(r"\d")
_WITH_UNIT = re.compile(r"[^\d]{0,6}\d[\d.,' ]*\s*[^\d\s:][^\d]{0,15}[23]?")
_PATTERNS = tuple((what, use, re.compile(pattern, re.IGNORECASE)) for what, use, pattern in _SHAPES)


def hint(column: ColumnSample) -> str | None:
    """One sentence with the words to say; None where the cells look like nothing that is known here."""
    if (texts := _texts(column)) and (said := _shape(texts, column, (_SPLIT, _LABEL))):
        return said
    return None


def doubt(column: ColumnSample) -> str | None:
    """What to say of a column whose cells are taken for labels, though they are numbers or dates in disguise."""
    return _shape(texts, column, (_SPLIT,)) if (texts := _texts(column)) else None


def _texts(column: ColumnSample) -> list[str]:
    """The tidy cells, where most are texts with a digit."""
    if sum(isinstance(c, str) and _DIGIT.search(c) is not None for c in column.cells[:20]) < min(10, len(column.cells)):
        return []
    texts = [tidy(c) for c in column.cells if isinstance(c, str) and c.strip() not in MISSING_MARKERS]
    return texts if len(texts) >= 0.8 * len(column.cells) else []


def _shape(texts: Sequence[str], column: ColumnSample, uses: Collection[str]) -> str | None:
    order, why = order_of(texts)
    if order == "?":
        ways = f"{column.as_input('date_dmy')} (day first) or {column.as_input('date_mdy')} (month first)"
        return f"{why}; say it with {ways}"
    units = form_of(texts).units if _share(texts, _WITH_UNIT) >= 0.9 else ()
    if len(units) > 1:
        return (
            f"numbers with several units ({', '.join(units[:4])}), which are not mixed: bring them to one unit, or "
            f"take each for a label with {column.as_input('category')}"
        )
    for what, use, pattern in _PATTERNS:
        if _share(texts, pattern) >= 0.9:
            return f"looks like {what}: {_advice(use, column)}" if use in uses else None
    return None


def _share(texts: Sequence[str], pattern: re.Pattern[str]) -> float:
    if len(texts) > 20 and _share(texts[:20], pattern) < 0.5:
        return 0.0
    return sum(len(text) <= 200 and pattern.fullmatch(text) is not None for text in texts) / len(texts)


def _advice(use: str, column: ColumnSample) -> str:
    if use == _SPLIT:
        own = "give each part a column of its own, as plain numbers"
        return f"{own}; or take each for a label with {column.as_input('category')}"
    return f"say {column.as_input('category')} if they repeat and each stands for something"
