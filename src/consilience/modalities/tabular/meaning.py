"""Labels of one meaning in another form: True for 1, 7 for "007", "red" for "Red". Knows labels, no statistics.

Which form a file holds depends on the program that wrote it: a spreadsheet drops the zeros of a code, a database writes
1 for true. A form is brought back only where a single training category can be meant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

TRUE, FALSE = ("flag", True), ("flag", False)
PLAIN_FLAGS: dict[str, Hashable] = {"true": TRUE, "t": TRUE, "1": TRUE, "false": FALSE, "f": FALSE, "0": FALSE}
"""What programs write for a flag."""
_PAIRS = ({"true", "false"}, {"t", "f"}, {"1", "0"}, {"yes", "no"}, {"y", "n"}, {"on", "off"})
_SPOKEN: tuple[dict[str, Hashable], ...] = (
    {"yes": TRUE, "y": TRUE, "no": FALSE, "n": FALSE},
    {"on": TRUE, "off": FALSE},
)
"""Words that may well be no flags: taken for flags only where training has some of them."""
_NUMBER = re.compile(r"([+-]?)0*([0-9]+?)(?:\.([0-9]*?)0*)?")


def flags_of(labels: Iterable[str]) -> dict[str, Hashable]:
    """The words that are flags among these labels, where the labels are the two of one pair; else none."""
    low = sorted(label.casefold() for label in labels)
    if set(low) not in _PAIRS or len(low) != 2:
        return {}
    return PLAIN_FLAGS | next((words for words in _SPOKEN if words.keys() >= set(low)), {})


def fold(label: str, flags: dict[str, Hashable]) -> Hashable:
    """Equal for labels of one meaning: a number without its needless zeros, else the words without regard to case and
    blanks."""
    words = " ".join(label.split()).casefold()
    if number := _NUMBER.fullmatch(words):
        sign, whole, rest = number[1], number[2], number[3] or ""
        words = ("-" if sign == "-" and (whole != "0" or rest) else "") + whole + (f".{rest}" if rest else "")
    return flags.get(words, words)


def meanings(categories: Sequence[str], exact: Iterable[str] = ()) -> dict[Hashable, int]:
    """Place of the single category that has each meaning. `exact`: categories that another label, one that was not
    kept, shares its meaning with: they are found by their own form only."""
    flags, apart = flags_of(categories), set(exact)
    folded = [fold(category, flags) for category in categories]
    times = Counter(folded)
    return {
        key: place
        for place, (key, category) in enumerate(zip(folded, categories, strict=True))
        if times[key] == 1 and category not in apart
    }
