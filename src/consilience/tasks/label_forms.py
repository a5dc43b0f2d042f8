"""When two labels are one, written in two ways; and the distinct labels of a column. Knows no task.

One label: True, TRUE, "true"; 1, "1", "1.0" and full-width 1; where a column holds nothing but flags, true and 1; texts
that differ in blanks, in how Unicode composes them, or in case alone. Not one: yes and y, 01 and 1, 1.5 and 1.50.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from consilience.tasks.cells import clean

_FLAGS = {"true": "1", "false": "0", "1": "true", "0": "false"}
_WORDS = ("true", "false")
_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,300})\.0+|\+(?:0|[1-9][0-9]{0,300})|-0")
_PLAIN = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)} | dict.fromkeys((0x200B, 0x2060, 0xFEFF))
"""Full-width characters as those of ASCII; nothing for what takes no space."""
_MOST_NAMED = 3


def written(label: Any) -> str:
    """A label as all formats of tables agree to write it: 1, 1.0 and "1.0" are "1", True and "TRUE" are "true"."""
    text = str(label)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_PLAIN))
    text = " ".join(text.split())
    if _WHOLE.fullmatch(text):
        return str(int(text.partition(".")[0]))
    return text.lower() if text.lower() in _WORDS else text


def caseless(label: Any) -> str:
    """As `written`, whatever the case."""
    return unicodedata.normalize("NFC", written(label).casefold())


class Labels(Sequence[Any]):
    """Distinct labels, numbered from 0, and found also where a table writes them in another way, if that leaves no
    doubt."""

    def __init__(self, labels: Iterable[Any], *, notes: Sequence[str] = (), flags: bool | None = None) -> None:
        """`notes`: what was joined. `flags`: whether they are true and false, or 1 and 0; looked at when not given."""
        self._labels, self.notes = tuple(labels), tuple(notes)
        self._number = {(type(label), label): k for k, label in enumerate(self._labels)}
        self._written, self._caseless = (_unique(map(way, self._labels)) for way in (written, caseless))
        self._flags = len(self._written) == 2 and set(self._written) <= set(_FLAGS) if flags is None else flags

    @classmethod
    def of(cls, cells: Iterable[Any], *, same_case: bool = True) -> Labels:
        """Those of some cells, in an order that the cells' order plays no part in. Each is written as most rows write
        it. `same_case`: labels that differ in upper and lower case alone are one."""
        rows = Counter((type(cell), cell) for cell in cells)
        forms = {form: clean(form[1]) for form in rows}
        keys = {form: caseless(label) if same_case else written(label) for form, label in forms.items()}
        if set(keys.values()) <= set(_FLAGS):
            words = set(keys.values()) & set(_WORDS)
            keys = {form: _FLAGS[key] if words and key not in _WORDS else key for form, key in keys.items()}
        styles: Counter[tuple[str, bool]] = Counter()
        groups: defaultdict[str, Counter[tuple[type, Any]]] = defaultdict(Counter)
        for form, count in rows.items():
            label = forms[form]
            styles[_style(label)] += count
            groups[keys[form]][type(label), label] += count

        def rank(item: tuple[tuple[type, Any], int]) -> tuple[Any, ...]:
            """Classes of one column are of one type where they can be; then the usual form, then the shortest."""
            (_, label), count = item
            style = _style(label)
            return -styles[style], style, -count, len(str(label)), str(label)

        distinct = [min(found.items(), key=rank)[0][1] for found in groups.values()]
        ordered = sorted(distinct, key=lambda label: (type(label).__name__, label))
        return cls(ordered, notes=_joined(rows, forms, keys))

    def find(self, label: Any) -> int | None:
        """The number of a label; None where it is none of these."""
        label = clean(label)
        number = self._number.get((type(label), label))
        if number is None:
            text = written(label)
            number = self._written.get(text)
            if number is None:
                number = self._caseless.get(caseless(label))
            if number is None and self._flags:
                number = self._written.get(_FLAGS.get(text, ""))
        return number

    def and_those_of(self, cells: Iterable[Any]) -> Labels:
        """These, and behind them the labels of cells that are none of these, in the order they come."""
        new: dict[str, Any] = {}
        for cell in cells:
            if self.find(cell) is None:
                new.setdefault(caseless(clean(cell)), clean(cell))
        return Labels([*self._labels, *new.values()], flags=self._flags) if new else self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self._labels))

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, number: Any) -> Any:
        return self._labels[number]


def _unique(texts: Iterable[str]) -> dict[str, int]:
    """The number of each text that only one label has."""
    listed = list(texts)
    times = Counter(listed)
    return {text: k for k, text in enumerate(listed) if times[text] == 1}


def _style(label: Any) -> tuple[str, bool]:
    return type(label).__name__, caseless(label) in _WORDS


def _joined(rows: Counter[Any], forms: dict[Any, Any], keys: dict[Any, str]) -> list[str]:
    """What to say of labels that were written in several ways."""
    groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
    spelt: defaultdict[str, set[str]] = defaultdict(set)
    for form, count in rows.items():
        kind, value = form
        groups[keys[form]][repr(value if kind is str else forms[form])] += count
        spelt[keys[form]].add(written(forms[form]))
    several = {
        key: sorted(found.items(), key=lambda i: (-i[1], i[0])) for key, found in groups.items() if len(found) > 1
    }
    if not several:
        return []
    fewer = sum(count for found in several.values() for _, count in found[1:])
    ordered = sorted(several.values(), key=lambda found: (-sum(count for _, count in found[1:]), found))
    shown = "; ".join(" = ".join(f"{text} ({count:,})" for text, count in found[:6]) for found in ordered[:_MOST_NAMED])
    more = f"; and {len(ordered) - _MOST_NAMED:,} more" if len(ordered) > _MOST_NAMED else ""
    note = (
        f"labels that were written in several ways are one class each (rows in brackets): {shown}{more}. "
        f"{fewer:,} of {rows.total():,} rows ({fewer / rows.total():.1%}) have one of the rarer forms"
    )
    if any(len(spelt[key] - set(_FLAGS)) > 1 for key in several):
        note += ". If upper and lower case tell classes apart, say so: task.case=keep, together with task.kind"
    return [note]
