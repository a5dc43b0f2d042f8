"""Says whether a column holds numbers, dates or categories, and why. Looks at the sample only; opens no file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from consilience.modalities.base import MISSING_MARKERS, ColumnSample, Evidence, is_blank
from consilience.modalities.tabular.load import Parser, Unusable, category_parser, date_parser, number_parser

_NUMBER, _CATEGORY, _DATE = (make(MISSING_MARKERS) for make in (number_parser, category_parser, date_parser))
_MEDIA = r"jpe?g|png|gif|bmp|webp|tiff?|wav|mp3|flac|ogg|m4a|mp4|avi|mov|mkv|webm|txt|md|pdf|html?|json|csv|npy"
_FILE = re.compile(rf"[a-z][a-z0-9+]*://.*|.*[\\/].*\.\w{{1,5}}|.*\.(?:{_MEDIA})", re.IGNORECASE | re.DOTALL)
_COUNTER = re.compile(r"(\D*)(\d{1,15})(\D*)")
KEPT = 64
"""Categories looked at when a column has many: about as many as are kept by default."""


def sniff(column: ColumnSample) -> Evidence | None:
    """The claim on one column; None when it is empty, free text, file paths or names that hardly repeat."""
    cells = [c for c in column.cells if not _is_marker(c)]
    if not cells:
        return None
    for look in (_booleans, _compact_dates, _numbers, _dates, _categories):
        if evidence := look(column, cells):
            return evidence
    return None


def _is_marker(cell: Any) -> bool:
    return is_blank(cell) or (isinstance(cell, str) and cell.strip() in MISSING_MARKERS)


def _parsed(parse: Parser, cells: Sequence[Any]) -> list[Any]:
    """What parses, in order. Missing parts cannot occur: markers are taken out before."""
    out = []
    for cell in cells:
        try:
            out.append(parse(cell))
        except Unusable:
            continue
    return [value for value in out if value is not None]


def _share(part: int, whole: int) -> str:
    """ "97 %"; never rounded up to all of them."""
    return f"{100 if part == whole else min(99, round(100 * part / whole))} %"


def _booleans(column: ColumnSample, cells: Sequence[Any]) -> Evidence | None:
    if all(
        isinstance(c, bool | np.bool_) or (isinstance(c, str) and c.strip().lower() in ("true", "false")) for c in cells
    ):
        constant = len(set(_parsed(_CATEGORY, cells))) == 1
        return Evidence(strength=0.9, reason="true or false" + _constant_note(constant), kind="category")
    return None


def _constant_note(constant: bool) -> str:
    return "; constant: every cell is the same, so it cannot help" if constant else ""


def _compact_dates(column: ColumnSample, cells: Sequence[Any]) -> Evidence | None:
    """20200131: a whole number that is a date. Other numbers of eight digits are real days once in thirty times."""
    if len(cells) < 3 or not all(re.fullmatch(r"(?:19|20)\d{6}", str(c).strip()) for c in cells):
        return None
    if len(_parsed(_DATE, [str(c).strip() for c in cells])) < len(cells):
        return None
    return Evidence(strength=0.9, reason="every cell is a date written as YYYYMMDD", kind="date")


def _numbers(column: ColumnSample, cells: Sequence[Any]) -> Evidence | None:
    values = np.array(_parsed(_NUMBER, cells))
    if len(values) < 0.8 * len(cells):
        return None
    mixed = len(values) < 0.95 * len(cells)
    distinct = np.unique(values)
    whole = bool((values % 1 == 0).all())
    codes = sum(isinstance(c, str) and re.match(r"\s*0\d", c) is not None for c in cells)
    if codes and whole and not mixed and (evidence := _categories(column, cells)):
        return evidence
    notes = [f"{_share(len(values), len(cells))} of the cells are numbers"]
    if len(values) < len(cells):
        notes.append(f"{len(cells) - len(values):,} of {len(cells):,} looked at are not and would count as missing")
    if len(distinct) == 1:
        notes.append(_constant_note(True)[2:])
    elif whole and len(values) == len(cells) == len(distinct) and _counts_up(values, column.rows):
        notes.append("every number occurs once and they count up like a row number: leave it out if it is an id")
    elif codes:
        notes.append("some have leading zeros: if they are codes, say so with category:" + column.name)
    elif whole and len(distinct) <= 20 and len(values) >= 2 * len(distinct):
        notes.append(
            f"only {len(distinct)} different whole numbers; kept as numbers, category:{column.name} changes that"
        )
    return Evidence(strength=0.75 if mixed else 0.9, reason="; ".join(notes), kind="number")


def _counts_up(values: np.ndarray, rows: int) -> bool:
    """All different whole numbers: equally spaced, or packed so densely that they number the rows of the table."""
    if len(values) < 10:
        return False
    steps = np.diff(np.sort(values))
    return bool((steps == steps[0]).all() or values.max() - values.min() < max(rows, len(values)))


def _dates(column: ColumnSample, cells: Sequence[Any]) -> Evidence | None:
    objects = sum(isinstance(c, date | np.datetime64) for c in cells)
    values = _parsed(_DATE, cells)
    if len(values) < 0.9 * len(cells):
        return None
    notes = [
        "the cells are dates" if objects == len(cells) else f"{_share(len(values), len(cells))} of the cells are dates"
    ]
    if len(values) < len(cells):
        notes.append(f"{len(cells) - len(values):,} of {len(cells):,} looked at are not and would count as missing")
    return Evidence(strength=0.9, reason="; ".join(notes) + _constant_note(len(set(values)) == 1), kind="date")


def _categories(column: ColumnSample, cells: Sequence[Any]) -> Evidence | None:
    """Short texts that repeat: few different ones, or many of which the frequent ones make up nearly everything."""
    labels = _parsed(_CATEGORY, cells)
    if len(labels) < len(cells):  # bytes, or texts far too long
        return None
    if sum(map(len, labels)) > 40 * len(labels) or sum(len(v.split()) for v in labels) > 3 * len(labels):
        return None
    if 2 * sum(_FILE.fullmatch(v) is not None for v in labels) >= len(labels):
        return None
    counts = Counter(labels)
    if len(counts) == 1:
        return _claim("short texts" + _constant_note(True)) if len(labels) > 1 else None
    if len(counts) == len(labels):
        return (
            _claim("texts that count up like a row number: leave it out if it is an id")
            if _ids(labels, column)
            else None
        )
    if 2 * len(counts) > len(labels):
        return None
    if len(counts) <= max(20, 0.05 * len(labels)):
        return _claim(f"{len(counts)} different short texts in {len(labels):,} cells")
    covered = sum(n for _, n in counts.most_common(KEPT) if n > 1)
    if covered >= 0.8 * len(labels):
        share = _share(covered, len(labels))
        return _claim(
            f"{len(counts)} different short texts in {len(labels):,} cells; the most frequent {KEPT} make up {share}"
        )
    return None


def _claim(reason: str) -> Evidence:
    return Evidence(strength=0.6, reason=reason, kind="category")


def _ids(labels: Sequence[str], column: ColumnSample) -> bool:
    """ "ID001", "ID002", ...: the same letters around numbers that count up."""
    matches = [_COUNTER.fullmatch(label) for label in labels]
    if any(m is None for m in matches) or len({(m[1], m[3]) for m in matches if m}) != 1:
        return False
    return _counts_up(np.array([float(m[2]) for m in matches if m]), column.rows)
