"""Says whether a column holds numbers, dates, times or categories, and why. Looks at the sample only; opens no file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from typing import Any

import numpy as np

from consilience.core.number_forms import EXACT, FEW, NOTHING, Forms, form_of, looks_numeric, tidy
from consilience.modalities.base import MISSING_MARKERS, ColumnSample, Evidence
from consilience.modalities.tabular.dates import ORDERS, PIVOT_NOTE, looks_like_date, looks_like_time, order_of
from consilience.modalities.tabular.hint import doubt
from consilience.modalities.tabular.load import POINTS, category_parser, parser
from consilience.modalities.tabular.numbers import Parser, Unusable, is_plain

_CATEGORY = category_parser(MISSING_MARKERS)
_MEDIA = r"jpe?g|png|gif|bmp|webp|tiff?|wav|mp3|flac|ogg|m4a|mp4|avi|mov|mkv|webm|txt|md|pdf|html?|json|csv|npy"
_FILE = re.compile(rf"[a-z][a-z0-9+]*://.*|.*[\\/].*\.\w{{1,5}}|.*\.(?:{_MEDIA})", re.IGNORECASE | re.DOTALL)
_COUNTER = re.compile(r"(\D*)(\d{1,15})(\D*)")
_SHORT_YEAR = re.compile(r"\s*\d{1,2}[\s/-][^\W\d_]{3,10}[\s/-]'?\d\d(?!\d)")
FIRST = 50
"""Cells looked at before all are."""
_LEADING_ZERO = re.compile(r"\s*0\d")
_DIGIT = re.compile(r"\d")
KEPT = 64
"""Categories looked at when a column has many: about as many as are kept by default."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the cells of a column of some kind are written."""

    kind: str
    """The kind that was asked about, or a closer one: number_comma for number, date_dmy for date."""
    unit: str = ""
    words: tuple[str, ...] = ()
    """Words among them that mean missing."""
    notes: tuple[str, ...] = ()
    """What was decided, for the user."""
    clear: bool = True
    """The cells do not contradict each other, and do not leave open what they mean."""

    @property
    def parse(self) -> Parser:
        return parser(self.kind, (*MISSING_MARKERS, *self.words), self.unit)


def reading(column: ColumnSample, kind: str) -> Reading:
    """How a column that holds this kind is written."""
    if kind not in POINTS and kind not in ORDERS and kind != "time":
        return Reading(kind=kind)
    if kind == "number" and column.numeric:
        return Reading(kind=kind)
    texts = [c for c in column.without_markers.cells if isinstance(c, str)]
    if kind == "number" and all(map(is_plain, texts)):
        return Reading(kind=kind)
    words = _words(column, texts)
    texts = [text for text in texts if text.strip() not in words] if words else texts
    said = (f"{_listed(words)} counted as missing",) if words else ()
    if kind in POINTS:
        return _number_reading(column, form_of(texts, delimiter=column.delimiter), kind, words, said)
    if kind == "date":
        order, why = order_of(texts)
        if order == "?":
            return Reading(kind=kind, words=words, notes=(*said, why), clear=False)
        if order:
            return Reading(kind=f"date_{order}", words=words, notes=(*said, why))
        if any(map(_SHORT_YEAR.match, texts)):
            return Reading(kind=kind, words=words, notes=(*said, PIVOT_NOTE))
    return Reading(kind=kind, words=words, notes=said)


def _number_reading(
    column: ColumnSample, forms: Forms, kind: str, words: tuple[str, ...], said: tuple[str, ...]
) -> Reading:
    notes = list(said)
    if kind == "number" and forms.form.point == ",":
        kind = "number_comma"
        notes.append(f"{forms.example!r} has a decimal comma")
    elif kind == "number" and forms.ambiguous:
        notes.append(
            f"{forms.example!r} is read as thousands; if the comma is for decimals, pass --input "
            f"{column.name}=number_comma:{column.name}"
        )
    if forms.form.unit:
        bare = f", also of {forms.without:,} without one" if forms.without else ""
        notes.append(f"their unit is {forms.form.unit}{bare}")
    if others := [unit for unit in forms.units if unit != forms.form.unit]:
        notes.append(f"other units too ({', '.join(others[:3])}), which are not converted")
    return Reading(kind=kind, unit=forms.form.unit, words=words, notes=tuple(notes), clear=len(forms.units) < 2)


def _words(column: ColumnSample, texts: Sequence[str]) -> tuple[str, ...]:
    """The texts of a column that mean missing: known words for nothing, or the one word that comes again and again
    among many different numbers."""
    counts = Counter(text.strip() for text in texts)
    words = [word for word in counts if len(word) <= 40 and not _DIGIT.search(word)]
    known = [word for word in words if tidy(word).lower() in NOTHING]
    others = set(words).difference(known)
    if len(others) == 1 and counts[word := others.pop()] >= 3 and column.distinct > FEW:
        known.append(word)
    return tuple(sorted(known))


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words[:3])) + (" …" if len(words) > 3 else "") + (" is" if len(words) == 1 else " are")


def sniff(column: ColumnSample) -> Evidence | None:
    """The claim on one column; None when it is empty, free text, file paths or names that hardly repeat."""
    cells = column.without_markers.cells
    if not cells:
        return None
    for look in (_booleans, _compact_dates, _numbers, _dates, _times, _categories):
        if evidence := look(column, cells):
            more = doubt(column) if look is _categories else None
            return replace(evidence, reason=f"{evidence.reason}; {more}") if more else evidence
    return None


def _parsed(parse: Parser, cells: Sequence[Any]) -> list[Any]:
    """What parses, in order."""
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


def _some(cells: Sequence[Any], is_one: Callable[[str], bool]) -> bool:
    """Whether a closer look is worth it: of the first texts any is such a one, or there are cells that are no texts."""
    first = cells[:FIRST]
    return any(not isinstance(c, str) or (len(c) <= 80 and _DIGIT.search(c) and is_one(tidy(c))) for c in first)


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
    if len(_parsed(parser("date", ()), [str(c).strip() for c in cells])) < len(cells):
        return None
    return Evidence(strength=0.9, reason="every cell is a date written as YYYYMMDD", kind="date")


def _numbers(column: ColumnSample, cells: Sequence[Any]) -> Evidence | None:
    if not _some(cells, looks_numeric):
        return None
    how = reading(column, "number")
    cells = [c for c in cells if not (isinstance(c, str) and c.strip() in how.words)] if how.words else cells
    values = _parsed(how.parse, cells)
    if len(values) < 0.8 * len(cells) or not _enough(values, how, column):
        return None
    mixed = len(values) < 0.95 * len(cells)
    distinct = set(values)
    whole = all(value % 1 == 0 for value in distinct)
    codes = any(isinstance(c, str) and _LEADING_ZERO.match(c) for c in cells)
    if codes and whole and not mixed and (evidence := _categories(column, cells)):
        return evidence
    notes = [f"{_share(len(values), len(cells))} of the cells are numbers", *how.notes]
    if len(values) < len(cells):
        notes.append(f"{len(cells) - len(values):,} of {len(cells):,} looked at are not and would count as missing")
    if len(distinct) == 1:
        notes.append(_constant_note(True)[2:])
    elif whole and len(values) == len(cells) == len(distinct) and _counts_up(values, column.rows):
        notes.append("every number occurs once and they count up like a row number: leave it out if it is an id")
    elif codes and how.kind == "number" and not how.unit:
        notes.append("some have leading zeros: if they are codes, say so with category:" + column.name)
    elif whole and len(distinct) <= 20 and len(values) >= 2 * len(distinct):
        notes.append(
            f"only {len(distinct)} different whole numbers; kept as numbers, category:{column.name} changes that"
        )
    percent = [] if column.numeric else [c for c in cells if isinstance(c, str) and c.strip()[-1:] in "%％"]
    if 0 < len(percent) < len(cells) and any(abs(value) > 1 for value in distinct):
        notes.append("some have a percent sign and others none: 12 % is read as 0.12, 12 as 12")
    if any(abs(value) >= EXACT for value in distinct):
        notes.append("large whole numbers, kept exact")
    return Evidence(strength=0.75 if mixed else 0.9, reason="; ".join(notes), kind=how.kind, missing=how.words)


def _enough(values: Sequence[Any], how: Reading, column: ColumnSample) -> bool:
    """Beside words for nothing a few numbers must be there: "none" and one "5" are labels."""
    return len(values) >= max(3, 0.05 * len(column.cells)) if how.words else bool(values)


def _counts_up(values: Sequence[float], rows: int) -> bool:
    """All different whole numbers: equally spaced, or packed so densely that they number the rows of the table."""
    if len(values) < 10:
        return False
    least = min(values)
    offsets = np.sort(np.array([value - least for value in values], np.float64))
    steps = np.diff(offsets)
    return bool((steps == steps[0]).all() or offsets[-1] < max(rows, len(values)))


def _dates(column: ColumnSample, cells: Sequence[Any]) -> Evidence | None:
    if not _some(cells, looks_like_date):
        return None
    how = reading(column, "date")
    if not how.clear:
        return None
    objects = sum(isinstance(c, date | np.datetime64) for c in cells)
    what = "the cells are dates" if objects == len(cells) else ""
    return _moments(how, column, cells, what, "dates")


def _times(column: ColumnSample, cells: Sequence[Any]) -> Evidence | None:
    if not all(isinstance(c, str | time) for c in cells) or not _some(cells, looks_like_time):
        return None
    return _moments(reading(column, "time"), column, cells, "", "times of day")


def _moments(how: Reading, column: ColumnSample, cells: Sequence[Any], what: str, name: str) -> Evidence | None:
    cells = [c for c in cells if not (isinstance(c, str) and c.strip() in how.words)] if how.words else cells
    values = _parsed(how.parse, cells)
    if len(values) < 0.9 * len(cells) or not _enough(values, how, column):
        return None
    notes = [what or f"{_share(len(values), len(cells))} of the cells are {name}", *how.notes]
    if len(values) < len(cells):
        notes.append(f"{len(cells) - len(values):,} of {len(cells):,} looked at are not and would count as missing")
    reason = "; ".join(notes) + _constant_note(len(set(values)) == 1)
    return Evidence(strength=0.9, reason=reason, kind=how.kind, missing=how.words)


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
    return _counts_up([float(m[2]) for m in matches if m], column.rows)
