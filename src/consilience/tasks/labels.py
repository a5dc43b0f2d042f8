"""A target cell that holds several labels: a list, the JSON of a list, or text with a separator. Knows no model.

What a cell of each kind looks like: ("a", "b")   ["a", "b"]   a;b
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from consilience.tasks.cells import clean

SEPARATORS = (";", "|", ",")
_SURE = (";", "|")
"""What parts labels without anybody having said so; commas are part of too many names."""
LIST, JSON = "list", "json"
"""Forms that hold any label; every other form is a separator."""


class NoLabels(ValueError):
    """A cell that is no set of labels; the text says why."""


def is_list(cell: Any) -> bool:
    return isinstance(cell, list | tuple)


def is_json(cell: Any) -> bool:
    return isinstance(cell, str) and cell.lstrip().startswith("[") and cell.rstrip().endswith("]")


def form_of(cells: Sequence[Any], separator: str) -> str:
    """How the cells of a column hold their labels; `separator`: what the user said, or "" to look."""
    if separator:
        return separator
    if any(map(is_list, cells)):
        return LIST
    words = [c for c in cells if isinstance(c, str)]
    if any(map(is_json, words)) and sum(map(is_json, words)) * 2 >= len(words):
        return JSON
    # One label everywhere needs no separator, and then any will do.
    return max(SEPARATORS, key=lambda sign: (sum(sign in w for w in words), -SEPARATORS.index(sign)))


def read(cell: Any, form: str) -> tuple[Any, ...]:
    """The labels of a cell, each once, in its order. Lists and their JSON are understood whatever the form. Raises
    NoLabels."""
    if is_list(cell):
        given = list(cell)
    elif is_json(cell):
        try:
            given = json.loads(cell)
        except ValueError as error:
            raise NoLabels(f"it looks like a JSON list, but is not one ({error})") from error
    elif isinstance(cell, str):
        if form == JSON:
            raise NoLabels('it is no JSON list; write it as ["a", "b"]')
        given = [part for part in cell.split(form) if part.strip()] if form != LIST else [cell]
    elif form == JSON or cell is None:
        raise NoLabels("it is no list of labels")
    else:
        given = [cell]
    labels = []
    for label in given:
        if isinstance(label, bool) or not isinstance(label, str | int | float):
            raise NoLabels(f"a label is text or a number, not {type(label).__name__} ({str(label)[:30]})")
        if label != label or label == "" or not str(label).strip():
            raise NoLabels("one of its labels is empty")
        labels.append(clean(label))
    return tuple(dict.fromkeys(labels))


def write(labels: Sequence[Any], form: str) -> str:
    """Text that `read` takes back: the JSON of a list, or labels and the separator. Without a label, or with one that
    the separator is part of, it is the JSON of a list in any case."""
    words = [str(label) for label in labels]
    if form in (LIST, JSON) or not words or any(form in w or is_json(w) for w in words):
        return json.dumps(list(labels), ensure_ascii=False)
    return form.join(words)


def claim(cells: Sequence[Any]) -> str | None:
    """Why the cells of a column are sets of labels, or None."""
    if not cells:
        return None
    lists, texts = sum(map(is_list, cells)), sum(map(is_json, cells))
    if lists == len(cells):
        return f"all {len(cells):,} cells are lists of labels"
    if 2 * (lists + texts) >= len(cells):  # those that are no list are refused by name, not taken for classes
        some = "all" if lists + texts == len(cells) else f"{lists + texts:,} of"
        return f"{some} {len(cells):,} cells are lists of labels, as JSON"
    for sign in _SURE:
        share, parts, whole = _parted(cells, sign)
        # Labels that come back in ever new company are labels; otherwise the sign may be part of a name.
        if share >= 0.1 and len(parts) < whole and min(parts.values()) >= 2:
            return (
                f"{share:.0%} of the cells hold {sign!r}, and what it parts comes back: {len(parts)} labels in {whole} "
                "combinations"
            )
    return None


def doubt(cells: Sequence[Any]) -> str | None:
    """What to say when the cells are taken for one label each, though a separator is in many of them."""
    for sign in SEPARATORS:
        share, parts, whole = _parted(cells, sign)
        if share >= 0.3 and len(parts) <= whole:
            return (
                f"{share:.0%} of its cells hold {sign!r}, and each of the {whole:,} distinct cells is taken for one "
                f"label. If {sign!r} parts several labels ({len(parts):,} of them), pass --task multilabel"
            )
    return None


def _parted(cells: Sequence[Any], sign: str) -> tuple[float, Counter[str], int]:
    """Share of the cells that hold the sign, how often each part occurs, and how many distinct cells there are."""
    if not all(isinstance(cell, str) for cell in cells):
        return 0.0, Counter(), 0
    held = sum(sign in cell for cell in cells) / max(len(cells), 1)
    if not held:
        return 0.0, Counter(), 0
    parts = Counter(part.strip() for cell in cells for part in cell.split(sign) if part.strip())
    return (held if parts else 0.0), parts, len(set(cells))
