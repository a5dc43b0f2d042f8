"""Small charts as inline SVG, coloured by the page's style (so they follow light and dark). Numbers in, markup out."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 34
_MOST_POINTS = 300


def text(value: Any) -> str:
    """Any value as text that is inert in HTML, also inside attributes. Control characters and lone surrogates, which
    an HTML file cannot hold, become U+FFFD."""
    clean = "".join(c if c in "\n\t" or (ord(c) >= 32 and not 0x7F <= ord(c) < 0xA0) else "\ufffd" for c in str(value))
    return html.escape(clean.encode("utf-8", "replace").decode("utf-8"), quote=True)


def number(value: float | None, digits: int = 4) -> str:
    """A number people can read: `digits` significant digits, thousands parted, en dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size >= 15 or size < -6:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    shown = f"{value:,.{max(0, digits - 1 - size)}f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return shown.replace("-", "−")


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers within low .. high."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


class _Frame:
    """A plot's coordinates: values to pixels, and its axes."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, width: int = 340, height: int = 220) -> None:
        self.width, self.height = width, height
        self._x, self._y = _widened(x), _widened(y)

    def x(self, value: float) -> float:
        share = (value - self._x[0]) / (self._x[1] - self._x[0])
        return round(_LEFT + share * (self.width - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self._y[0]) / (self._y[1] - self._y[0])
        return round(self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM), 1)

    def svg(
        self, marks: str, *, title: str, across: str, up: str = "", whole: bool = False, power: bool = False
    ) -> str:
        """The chart; `title` is what a screen reader says, `whole`: only whole numbers on the x axis, `power`: x values
        are logarithms to the base of 10."""
        left, right = _LEFT, self.width - _RIGHT
        parts = []
        marked = ticks(*self._y)
        for v, label in zip(marked, _labels(marked), strict=True):
            parts.append(f'<line class="grid-line" x1="{left}" x2="{right}" y1="{self.y(v)}" y2="{self.y(v)}"/>')
            parts.append(f'<text x="{left - 6}" y="{self.y(v) + 4}" text-anchor="end">{label}</text>')
        marked = _powers(*self._x) if power else ticks(*self._x)
        for v, label in zip(marked, [number(10**v, 2) for v in marked] if power else _labels(marked), strict=True):
            if not whole or float(v).is_integer():
                foot = self.height - _BOTTOM + 15
                parts.append(f'<text x="{self.x(v)}" y="{foot}" text-anchor="middle">{label}</text>')
        middle = (left + right) / 2
        parts.append(f'<text x="{middle}" y="{self.height - 3}" text-anchor="middle">{text(across)}</text>')
        if up:
            half = (self.height - _BOTTOM + _TOP) / 2
            parts.append(f'<text transform="translate(9 {half}) rotate(-90)" text-anchor="middle">{text(up)}</text>')
        head = f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{text(title)}">'
        return f"{head}<title>{text(title)}</title>{''.join(parts)}{marks}</svg>"


def lines(series: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, title: str, across: str) -> str:
    """One line for each (style "a" or "b", points); points that are not finite are left out."""
    kept = [(style, [p for p in points if math.isfinite(p[1])]) for style, points in series]
    every = [p for _, points in kept for p in points]
    if not every:
        return ""
    frame = _Frame(_span([p[0] for p in every]), _span([p[1] for p in every]), width=460, height=240)
    marks = []
    for style, points in kept:
        path = " ".join(f"{frame.x(x)},{frame.y(y)}" for x, y in _thinned(points))
        if len(points) == 1:
            marks.append(f'<circle class="dot" cx="{frame.x(points[0][0])}" cy="{frame.y(points[0][1])}" r="3"/>')
        elif points:
            marks.append(f'<polyline class="line {style}" points="{path}"/>')
    return frame.svg("".join(marks), title=title, across=across, whole=True)


def reliability(bins: Sequence[dict[str, Any]], *, title: str) -> str:
    """Stated confidence against the share that came true; the diagonal is perfect."""
    frame = _Frame((0, 1), (0, 1), width=400, height=340)
    points = [(frame.x(b["confidence"]), frame.y(b["accuracy"]), b) for b in bins]
    marks = f'<line class="guide" x1="{frame.x(0)}" y1="{frame.y(0)}" x2="{frame.x(1)}" y2="{frame.y(1)}"/>'
    marks += '<polyline class="line a" points="' + " ".join(f"{x},{y}" for x, y, _ in points) + '"/>'
    for x, y, b in points:
        said = f"{b['rows']:,} rows: stated {b['confidence']:.3f}, right {b['accuracy']:.3f}"
        marks += f'<circle class="dot" cx="{x}" cy="{y}" r="4"><title>{text(said)}</title></circle>'
    return frame.svg(marks, title=title, across="stated confidence", up="share right")


def density(scatter: dict[str, Any], *, title: str) -> str:
    """Counts in cells of true x predicted; darker holds more rows, and the diagonal is perfect."""
    true, predicted, counts = scatter["true"], scatter["predicted"], scatter["counts"]
    frame = _Frame((true[0], true[-1]), (predicted[0], predicted[-1]), width=400, height=340)
    most = max(max(row) for row in counts) or 1
    marks = ""
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count:
                x, y = frame.x(true[i]), frame.y(predicted[j + 1])
                wide, tall = frame.x(true[i + 1]) - x, frame.y(predicted[j]) - y
                shade = 0.15 + 0.85 * math.sqrt(count / most)
                size = f'x="{x}" y="{y}" width="{wide:.1f}" height="{tall:.1f}" fill-opacity="{shade:.2f}"'
                marks += f'<rect class="fill" {size}><title>{count:,} rows</title></rect>'
    low, high = true[0], true[-1]
    marks += f'<line class="guide" x1="{frame.x(low)}" y1="{frame.y(low)}" x2="{frame.x(high)}" y2="{frame.y(high)}"/>'
    return frame.svg(marks, title=title, across="true", up="predicted")


def histogram(edges: Sequence[float], counts: Sequence[int], *, title: str, across: str) -> str:
    frame = _Frame((edges[0], edges[-1]), (0, max(counts) or 1), width=400, height=340)
    marks = ""
    for a, b, count in zip(edges[:-1], edges[1:], counts, strict=True):
        x, y = frame.x(a), frame.y(count)
        size = f'x="{x}" y="{y}" width="{max(0.5, frame.x(b) - x - 1):.1f}" height="{frame.y(0) - y:.1f}"'
        marks += f'<rect class="fill" {size}><title>{count:,} rows: {number(a)} to {number(b)}</title></rect>'
    if edges[0] < 0 < edges[-1]:
        marks += f'<line class="guide" x1="{frame.x(0)}" x2="{frame.x(0)}" y1="{_TOP}" y2="{frame.y(0)}"/>'
    return frame.svg(marks, title=title, across=across, up="rows")


def scatter(
    points: Sequence[tuple[float, float, str, bool]],
    *,
    title: str,
    across: str,
    up: str,
    greater_is_better: bool = True,
) -> str:
    """A dot for each (cost, quality, name, marked), cost on a logarithmic scale; the marked one stands out and is
    named, and a line joins those that nothing cheaper beats."""
    kept = [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1]) and p[0] > 0]
    if len(kept) < 2:
        return ""
    logs = [math.log10(p[0]) for p in kept]
    low, high = min(logs), max(logs)
    margin, tall = 0.06 * (high - low or 1), max(p[1] for p in kept) - min(p[1] for p in kept) or 1
    lowest, highest = min(p[1] for p in kept) - 0.06 * tall, max(p[1] for p in kept) + 0.1 * tall
    frame = _Frame((low - margin, high + margin), (lowest, highest), width=460, height=300)
    sign = 1 if greater_is_better else -1
    front: list[tuple[float, float]] = []
    for at, point in sorted(zip(logs, kept, strict=True), key=lambda pair: (pair[0], -sign * pair[1][1])):
        if not front or sign * point[1] > sign * front[-1][1]:
            front.append((at, point[1]))
    path = " ".join(f"{frame.x(x)},{frame.y(y)}" for x, y in front)
    marks = f'<polyline class="line a thin" points="{path}"/>' if len(front) > 1 else ""
    for at, (cost, quality, name, marked) in sorted(zip(logs, kept, strict=True), key=lambda pair: pair[1][3]):
        x, y = frame.x(at), frame.y(quality)
        said = f"{name}: {up} {number(quality)}, {number(cost, 3)} {across}"
        shape = f'class="{"dot" if marked else "dot soft"}" cx="{x}" cy="{y}" r="{6 if marked else 4}"'
        marks += f"<circle {shape}><title>{text(said)}</title></circle>"
        if marked:
            end = "end" if x > frame.width * 0.6 else "start"
            short = name if len(name) <= 34 else name[:33] + "…"
            shift = -10 if end == "end" else 10
            marks += f'<text class="named" x="{x + shift}" y="{y - 8}" text-anchor="{end}">{text(short)}</text>'
    return frame.svg(marks, title=title, across=across, up=up, power=True)


def intervals(bars: Sequence[tuple[str, float, Sequence[float] | None]], *, title: str, percent: bool = False) -> str:
    """A bar from zero for each (name, value, interval), the interval as a line over its end."""
    if not bars:
        return ""
    every = [0.0, *(v for _, value, bounds in bars for v in (value, *(bounds or ())))]
    scale = 100 if percent else 1
    low, high = _widened((scale * min(every), scale * max(every)))
    left, right, each, top = 130, 18, 30, 6
    width, height = 460, top + each * len(bars) + 22

    def x(value: float) -> float:
        return round(left + (scale * value - low) / (high - low) * (width - left - right), 1)

    parts = []
    marked = ticks(low, high)
    for tick, label in zip(marked, _labels(marked), strict=True):
        at = x(tick / scale)
        parts.append(f'<line class="grid-line" x1="{at}" x2="{at}" y1="{top}" y2="{height - 20}"/>')
        parts.append(f'<text x="{at}" y="{height - 5}" text-anchor="middle">{label}</text>')
    for place, (name, value, bounds) in enumerate(bars):
        y = top + each * place
        short = name if len(name) <= 20 else name[:19] + "…"
        said = f"{name}: {number(scale * value, 3)}"
        if bounds is not None:
            said += f" ({number(scale * bounds[0], 3)} to {number(scale * bounds[1], 3)})"
        begin, end = sorted((x(0), x(value)))
        parts.append(f'<text x="{left - 8}" y="{y + 19}" text-anchor="end">{text(short)}</text>')
        size = f'x="{begin}" y="{y + 6}" width="{max(0.5, end - begin):.1f}" height="{each - 12}"'
        parts.append(f'<rect class="fill" fill-opacity="0.75" {size}><title>{text(said)}</title></rect>')
        if bounds is not None:
            parts.append(f'<line class="span" x1="{x(bounds[0])}" x2="{x(bounds[1])}" y1="{y + 15}" y2="{y + 15}"/>')
    head = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{text(title)}">'
    return f"{head}<title>{text(title)}</title>{''.join(parts)}</svg>"


def _powers(low: float, high: float) -> list[float]:
    """Logarithms of 1, 2 and 5 times powers of ten within low .. high, thinned out to powers where there are many."""
    every = [n + math.log10(m) for n in range(math.floor(low), math.ceil(high) + 1) for m in (1, 2, 5)]
    within = [v for v in every if low <= v <= high]
    return within if len(within) <= 6 else [v for v in within if abs(v - round(v)) < 1e-9]


def _labels(marked: Sequence[float]) -> list[str]:
    """As many decimals as it takes to tell the ticks apart."""
    step = marked[1] - marked[0] if len(marked) > 1 else 0.0
    if step <= 0 or not 1e-6 <= step < 1e9:
        return [number(v, 3) for v in marked]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{v + 0.0:,.{decimals}f}".replace("-", "−") for v in marked]


def _span(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _widened(span: tuple[float, float]) -> tuple[float, float]:
    low, high = span
    if high - low > 1e-12 * max(abs(low), abs(high)):
        return low, high
    margin = 0.5 if low == 0 else abs(low) * 0.5
    return low - margin, high + margin


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    step = max(1, math.ceil(len(points) / _MOST_POINTS))
    return points[::step] + (points[-1:] if (len(points) - 1) % step else [])
