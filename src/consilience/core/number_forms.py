"""How the numbers of one column are written: with a decimal point or comma, with a unit, in thousands or in 万.

The form is decided once, from the column as a whole, and every cell is then read by it: 1,709 alone may be 1709 or
1.709. Knows texts and numbers; knows no table, no modality and no task.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LONGEST = 1_000
"""Characters of the longest number; more is a text or a mistake."""
EXACT = 2**53
"""Whole numbers beyond this are no longer all floats."""
NOTHING = frozenset(
    (
        *("missing", "unknown", "unk", "none", "nil", "na", "n.a.", "n.a", "n/a", "#n/a", "nan", "null", "undefined"),
        *("<na>", "<null>", "void", "nodata", "no data", "not available", "not applicable", "not known", "tbd", "tba"),
        *("empty", "blank", "?", "??", "???", "-", "--", "---", "–", "—", ".", "..", "...", "/", "\\n"),
        *("#value!", "#ref!", "#div/0!", "#num!", "#name?", "#null!"),
        *("无", "暂无", "未知", "缺失", "空", "没有", "不详", "不明", "未填", "未填写", "无数据", "暂缺", "待定"),
    )
)
"""Words that mean "nothing is known" where they stand among numbers or dates; in lower case."""

_SCALES = {
    "%": 1e-2, "‰": 1e-3, "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "million": 1e6, "b": 1e9,
    "bn": 1e9, "billion": 1e9, "mrd": 1e9, "千": 1e3, "万": 1e4, "萬": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8,
    "億": 1e8, "万亿": 1e12,
}  # fmt: skip
_SCALE = (
    r"%|‰|(?:[kMB]|mn|Mn|bn|Bn|[Mm]io|[Mm]rd|thousand|[mb]illion)\b\.?(?!/)|万亿|百万|千万|[万萬亿億]|千(?![克米瓦卡])"
)
_SIGNS = r"(?:[A-Z]{1,3})?[$€£¥₹₽₩₪₫₴₦₱฿₺₡₵₸₿]"
_CODES = (
    r"(?:USD|EUR|GBP|JPY|CNY|RMB|CHF|CAD|AUD|NZD|HKD|SGD|TWD|NTD|INR|KRW|RUB|BRL|MXN|ZAR|SEK|NOK|DKK|PLN|CZK|HUF|TRY|"
    r"THB|IDR|MYR|PHP|VND|ILS|AED|SAR|Rs\.?|kr\.?|Fr\.|人民币)(?![A-Za-z])"
)
_WORD = r"[^\W\d_]|[°€$£¥₹₽₩₪₫₴₦₱฿₺'\"µ]"
_UNIT = rf"(?:(?:{_WORD})(?:{_WORD}|[./·²³^]|[23](?!\d)| (?=[^\W\d_])){{0,15}})"
_PARTS = re.compile(
    rf"(?P<open>\()?(?P<sign>[+-])?\s*(?P<before>{_SIGNS}|{_CODES})?\s*(?P<inner>[+-])?\s*"
    r"(?P<body>[0-9](?:[0-9.,'’ ]*[0-9.,])?|[.,][0-9]+)(?P<power>[eE][+-]?[0-9]{1,3})?"
    rf"\s*(?P<scale>{_SCALE})?\s*(?P<after>{_UNIT})?\s*(?P<close>\))?(?P<last>-)?"
)
_ORDINAL = re.compile(r"st|nd|rd|th|[ap]\.?m\.?|[月日号]", re.IGNORECASE)
"""What stands behind a number and is no unit: 1st, 7 pm, 3月."""
_PLAIN = {",": r"[0-9]+(?:,[0-9]*)?|,[0-9]+", ".": r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"}
_GROUPS = {
    ",": r"[1-9][0-9]{0,2}(?P<group>[. '’])[0-9]{3}(?:(?P=group)[0-9]{3})*(?:,[0-9]*)?",
    ".": r"(?:[0-9]{1,3}(?P<group>[, '’])[0-9]{3}(?:(?P=group)[0-9]{3})*|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3})"
    r"(?:\.[0-9]*)?",
}
_BODY = {point: re.compile(f"(?:{_PLAIN[point]}|{_GROUPS[point]})") for point in ".,"}
_INFINITE = re.compile(r"[+-]?(?:inf|infinity|∞)", re.IGNORECASE)
FEW = 20
"""Up to so many different texts may be labels that happen to have digits."""
_CURRENCIES = {
    **dict.fromkeys(("usd", "us$"), "$"),
    **dict.fromkeys(("eur", "euro", "euros"), "€"),
    **dict.fromkeys(("gbp",), "£"),
    **dict.fromkeys(("cny", "rmb", "cn¥", "元", "人民币", "块", "圆"), "¥"),
    **dict.fromkeys(("inr", "rs"), "₹"),
}


def tidy(text: str) -> str:
    """NFKC (fullwidth digits and signs become plain), the real minus sign to a hyphen, no white space around."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", text[:LONGEST]).replace("\u2212", "-").strip()


@dataclass(frozen=True, kw_only=True)
class NumberForm:
    """`point`: what parts whole and fraction. `unit`: what stands beside the numbers, "" where nothing does."""

    point: str = "."
    unit: str = ""

    def read(self, text: str) -> float | int:
        """The number of a tidy text; a cell without the unit counts as one with it, and 12 % is 0.12. Whole numbers
        beyond 2**53 stay whole. Raises ValueError with a message that continues a sentence."""
        parts = _parts(text)
        if parts is None:
            raise ValueError("is not a number")
        negative, body, scale, unit = parts
        if unit and unit != self.unit:
            other = f"and the column is in {self.unit}" if self.unit else "and the column has plain numbers"
            raise ValueError(f"is not a number of this column: it is in {unit}, {other}")
        if not _BODY[self.point].fullmatch(body.partition("e")[0]):
            why = " as this column writes them (decimal comma)" if self.point == "," else ""
            raise ValueError(f"is not a number{why}")
        plain = re.sub(r"[. '’]" if self.point == "," else r"[, '’]", "", body).replace(",", ".")
        value: float | int = float(plain)
        if scale != 1.0:
            value = value / 100 if scale == 1e-2 else value * scale
        elif EXACT <= value < math.inf and plain.isdecimal():
            value = int(plain)
        return -value if negative else value


def _parts(text: str) -> tuple[bool, str, float, str] | None:
    """Whether it is below zero, its digits with their signs, what they count, and the unit; None: no number."""
    if len(text) > LONGEST or not (match := _PARTS.fullmatch(text)):
        return None
    if bool(match["open"]) != bool(match["close"]) or (match["after"] and _ORDINAL.fullmatch(match["after"])):
        return None
    if match["after"] == "年" and len(match["body"]) == 4:  # 2026年 is a date, 5年 five years
        return None
    signs = [sign for sign in (match["sign"], match["inner"], match["last"], match["open"]) if sign]
    units = {canonical(unit) for unit in (match["before"], match["after"]) if unit}
    if len(signs) > 1 or len(units) > 1:
        return None
    scale = 1.0 if not match["scale"] else _SCALES[match["scale"].rstrip(".").lower()]
    body = match["body"] + (match["power"] or "").lower()
    return bool(signs) and signs[0] != "+", body, scale, next(iter(units), "")


def looks_numeric(text: str) -> bool:
    """Whether a tidy text is a number in some form."""
    return _parts(text) is not None


def canonical(unit: str) -> str:
    """A unit as units are compared: KG is kg, stars are star, USD is $."""
    low = unit.strip().rstrip(".").casefold()
    if len(low) > 2 and low.isalpha() and low.isascii() and low.endswith("s"):
        low = low[:-1]
    return _CURRENCIES.get(low, low)


@dataclass(frozen=True, kw_only=True)
class Forms:
    """What the texts of one column show of how its numbers are written."""

    form: NumberForm
    ambiguous: bool = False
    """Every number has one comma before exactly three digits, and nothing says whether it parts thousands."""
    units: tuple[str, ...] = ()
    """The units seen, the most frequent first; more than one: they are not mixed."""
    without: int = 0
    """Numbers without the unit that the others have."""
    example: str = ""


def form_of(texts: Iterable[str], *, delimiter: str = "") -> Forms:
    """The form that most of the texts have. `delimiter`: what parts the cells of the file they come from; where that
    is a semicolon, commas are for decimals."""
    bare = carried = 0
    units: Counter[str] = Counter()
    first: dict[str, str] = {}
    evidence: Counter[str] = Counter()
    for text in texts:
        parts = _parts(tidy(text))
        body = "" if parts is None else parts[1].partition("e")[0]
        if parts is None or not any(form.fullmatch(body) for form in _BODY.values()):
            continue
        units[parts[3]] += 1
        kind = _kind(body)
        evidence[kind] += 1
        first.setdefault(kind, text.strip())
        bare += kind == "" and len(body) <= 3
        carried += kind == "?"
    named = tuple(unit for unit, _ in units.most_common() if unit)
    comma = evidence[","] > evidence["."]
    ambiguous = False
    if carried and not evidence[","] and not evidence["."]:
        if delimiter == ";":
            comma = True
        else:  # 950 beside 1,709: with a decimal comma it would be 950,000
            ambiguous = not bare or carried < 3
    # Of a unit that only a few have, the others are hardly in: these few are another form.
    unit = named[0] if named and units[named[0]] >= units[""] else ""
    form = NumberForm(point="," if comma else ".", unit=unit)
    example = first.get("," if comma else "?", "")
    return Forms(form=form, ambiguous=ambiguous, units=named, without=units[""] if unit else 0, example=example)


def _kind(body: str) -> str:
    """What the digits of one number say of the column: "," a decimal comma, "." a decimal point, "?" one comma that may
    be either, "" nothing."""
    commas, points = body.count(","), body.count(".")
    if commas and points:
        return max(".,", key=body.rfind)
    if commas > 1:
        return "." if _BODY["."].fullmatch(body) else ""
    if points > 1:
        return "," if _BODY[","].fullmatch(body) else ""
    if commas:
        if re.fullmatch(r"[1-9][0-9]{0,2},[0-9]{3}", body):
            return "?"
        return ","
    if points:
        return "" if re.fullmatch(r"[1-9][0-9]{0,2}\.[0-9]{3}", body) else "."
    return ""


def numeric_form(texts: Mapping[str, int], *, numbers: int = 0, delimiter: str = "") -> Forms | None:
    """How the numbers of a column are written, of which `texts` says how often each text occurs, beside `numbers` other
    cells that are numbers in any case; None where they are labels. One wrong text in a hundred does not make labels of
    many different numbers, and infinity is a number, though no usable one."""
    forms = form_of(texts, delimiter=delimiter)
    wrong = [text for text in texts if not is_number(text, forms.form)]
    right = len(texts) - len(wrong)
    most = max(1, 0.01 * (numbers + sum(texts.values())))
    if wrong and (right + numbers <= FEW or sum(map(texts.__getitem__, wrong)) > most):
        return None
    if forms.form.point == "," and right <= FEW:  # "1,2" may be two labels
        return None
    return forms


def is_number(text: str, form: NumberForm) -> bool:
    try:
        form.read(tidy(text))
    except ValueError:
        return _INFINITE.fullmatch(text.strip()) is not None
    return True
