"""Drawings as SVG text: scales, round ticks, axes and a legend; well-formed XML that a page or a file of its own can hold.

Colours are the page's variables (``templates/palette.css``), so that a drawing follows light and dark; lines differ by
dashes as well as by colour, and every one has its name in the legend.
"""

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, log10
from pathlib import Path

from harness.frozen import dataclass, field
from harness.report.html import Html, el, join
from harness.report.text import one_line

WIDTH, HEIGHT = 420.0, 232.0
"""Of a drawing without its legend, in its own units; a page scales it."""
LEFT, RIGHT, BOTTOM = 62.0, 12.0, 38.0
_ROW = 18.0
_CHAR = 9.0
"""Room for a letter, where a narrow page makes letters large (``templates/chart.css``)."""
_BLOCKS = ("failed", "late", "dropped", "heap")
"""What is drawn as bars."""
_TEMPLATES = Path(__file__).with_name("templates")
_ROUND = (1, 2, 5)
_SECONDS = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1200,
    1800,
    3600,
    7200,
    14400,
    21600,
    43200,
)

Point = tuple[float, float | None] | tuple[float, float]
"""Where a line goes, in the units of its axes; without a value it has a gap."""


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high` with its ticks; `log` only above zero."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False
    title: str = ""

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one, never outside."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = log10(low), log10(high), log10(max(value, self.low))
        return min(1.0, max(0.0, (value - low) / (high - low)))


def log_axis(
    values: Iterable[float], write: Callable[[float], str], *, ticks: int = 6, title: str = ""
) -> Axis:
    """A logarithmic axis from 1, 2 or 5 × 10ⁿ below the least value to the same above the largest one."""
    given = [value for value in values if value > 0] or [1.0]
    low, high = _below(min(given)), _above(max(given))
    while high / low < 3.9:
        low, high = _below(low * 0.99), _above(high * 1.01)
    found = [
        factor * 10.0**power for power in range(floor(log10(low)), ceil(log10(high)) + 1) for factor in _ROUND
    ]
    inside = [value for value in found if low * 0.999 <= value <= high * 1.001]
    decades = [value for value in inside if abs(log10(value) - round(log10(value))) < 1e-9]
    shown = inside if len(inside) <= ticks else decades[:: ceil(len(decades) / ticks)]
    return Axis(low, high, tuple((value, write(value)) for value in shown), log=True, title=title)


def linear_axis(values: Iterable[float], write: Callable[[float], str], *, title: str = "") -> Axis:
    """An axis from 0 to a round number above the largest value."""
    most = max(values, default=0.0) * 1.04 or 1.0
    step = _above(most / 4)
    count = ceil(most / step - 1e-9)
    ticks = tuple((index * step, write(index * step)) for index in range(count + 1))
    return Axis(0.0, count * step, ticks, title=title)


def time_axis(seconds: float, *, title: str = "") -> Axis:
    """An axis from 0 to the end of a run."""
    step = next((step for step in _SECONDS if seconds / step <= 6), 86400.0)
    return Axis(
        0.0,
        seconds,
        tuple((index * step, _elapsed(index * step)) for index in range(floor(seconds / step + 1e-9) + 1)),
        title=title,
    )


@dataclass
class Plot:
    """A drawing in the making: what is added last lies on top, labels above all."""

    x: Axis
    y: Axis
    legend: tuple[tuple[str, str], ...]
    """What each class of line or area is called."""
    parts: list[Html] = field(default_factory=list)
    labels: list[Html] = field(default_factory=list)

    @property
    def top(self) -> float:
        """Where the drawing begins, below its legend."""
        return len(_rows(self.legend)) * _ROW + 8

    @property
    def bottom(self) -> float:
        """Where the axis of x lies."""
        return self.top + HEIGHT - BOTTOM - 8

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A place in the units of the drawing."""
        return (
            LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT),
            self.bottom - self.y.share(y) * (self.bottom - self.top),
        )

    def line(self, kind: str, points: Sequence[Point], *, dots: bool = False) -> None:
        """A line through the points that have a value; one that stands alone, and with `dots` every one, is a dot."""
        for run in _unbroken(points):
            places = [self.at(x, y) for x, y in run]
            if len(places) > 1:
                self.parts.append(el("path", d=_path(places), class_=f"line {kind}"))
            if dots or len(places) == 1:
                self.parts += [
                    el("circle", cx=_n(x), cy=_n(y), r="2" if len(places) > 1 else "3", class_=f"dot {kind}")
                    for x, y in places
                ]

    def steps(
        self, kind: str, stretches: Sequence[tuple[float, float, float]], *, filled: bool = False
    ) -> None:
        """A line that stays at a value from one x to another; `filled` down to the axis."""
        places = [self.at(x, y) for start, end, y in stretches for x in (start, end)]
        if filled and places:
            ends = [(places[-1][0], self.bottom), (places[0][0], self.bottom)]
            self.parts.append(el("path", d=f"{_path([*places, *ends])}Z", class_=f"area {kind}"))
        if places:
            self.parts.append(el("path", d=_path(places), class_=f"line {kind}"))

    def bar(self, kind: str, start: float, end: float, low: float, high: float) -> None:
        """A bar from `low` to `high`; one that stands for anything can be seen, however small it is."""
        if high <= low:
            return
        (left, foot), (right, head) = self.at(start, low), self.at(end, high)
        height = max(foot - head, 1.5)
        gap = min(0.8, (right - left) / 8)
        self.parts.append(
            el(
                "rect",
                x=_n(left + gap),
                y=_n(foot - height),
                width=_n(max(right - left - 2 * gap, 1.0)),
                height=_n(height),
                class_=f"block {kind}",
            )
        )

    def levels(self, limits: Sequence[tuple[float, str]]) -> None:
        """Limits across the drawing, each with its rule beside it, where the others leave room."""
        heights = [self.at(self.x.low, y)[1] for y, _ in limits]
        taken: list[_Label] = []
        for height, (_, text) in zip(heights, limits, strict=True):
            self.parts.append(
                el("path", d=_path([(LEFT, height), (WIDTH - RIGHT, height)]), class_="line limit")
            )
            shown = one_line(text, 44)
            spots = [
                _Label(shown, side, height + shift)
                for side in ("right", "left")
                for shift in (-6, 14)
                if self.top < height + shift < self.bottom
            ]
            label = min(spots, key=lambda spot: spot.clutter(taken, [h for h in heights if h != height]))
            taken.append(label)
            place = WIDTH - RIGHT - 3 if label.side == "right" else LEFT + 3
            self.labels.append(el("text", shown, x=_n(place), y=_n(label.y), class_=f"rule {label.side}"))

    def mark(self, kind: str, x: float, text: str = "") -> None:
        """A line upright at a value of x, with a word beside it where there is more room."""
        place, _ = self.at(x, self.y.low)
        self.parts.append(
            el("path", d=_path([(place, self.top), (place, self.bottom)]), class_=f"line {kind}")
        )
        if text:
            left = place > (LEFT + WIDTH - RIGHT) / 2 and place + len(text) * _CHAR > WIDTH
            side, beside = ("right", place - 5) if left else ("left", place + 5)
            self.labels.append(
                el("text", text, x=_n(beside), y=_n(self.bottom - 8), class_=f"word {kind} {side}")
            )

    def svg(self, identity: str, title: str, description: str) -> Html:
        """The drawing. `identity` is its alone on the page."""
        grid = [
            el("path", d=_path([(LEFT, height), (WIDTH - RIGHT, height)]), class_="grid")
            for _, height in (self.at(self.x.low, value) for value, _ in self.y.ticks)
        ]
        return _svg(
            identity,
            title,
            description,
            self.bottom + BOTTOM,
            [*self._legend(), *grid, *self._axes(), *self.parts, *self.labels],
        )

    def _axes(self) -> list[Html]:
        found = [el("path", d=_path([(LEFT, self.bottom), (WIDTH - RIGHT, self.bottom)]), class_="axis")]
        for value, text in self.y.ticks:
            _, height = self.at(self.x.low, value)
            found.append(el("text", text, x=_n(LEFT - 6), y=_n(height + 4), class_="tick"))
        for value, text in self.x.ticks:
            place, _ = self.at(value, self.y.low)
            found.append(el("path", d=_path([(place, self.bottom), (place, self.bottom + 4)]), class_="axis"))
            anchor = "tick" if place > WIDTH - RIGHT - 12 else "middle"
            found.append(
                el(
                    "text",
                    text,
                    x=_n(place + (8 if anchor == "tick" else 0)),
                    y=_n(self.bottom + 17),
                    class_=anchor,
                )
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        found.append(el("text", self.x.title, x=_n(middle), y=_n(self.bottom + 33), class_="middle title"))
        return found

    def _legend(self) -> list[Html]:
        found = []
        for index, row in enumerate(_rows(self.legend)):
            x, y = 4.0, index * _ROW + 11
            for kind, text in row:
                found += [_key(kind, x, y), el("text", text, x=_n(x + 25), y=_n(y))]
                x += _room(text)
        return found


def _key(kind: str, x: float, y: float) -> Html:
    """What stands in the legend for a line or a bar."""
    if kind in _BLOCKS:
        place = {"x": _n(x + 4), "y": _n(y - 8), "width": "12", "height": "8"}
        return el("rect", class_=f"block {kind}", **place)
    return el("path", d=_path([(x, y - 4), (x + 20, y - 4)]), class_=f"line key {kind}")


@dataclass(frozen=True)
class _Label:
    text: str
    side: str
    y: float

    def clutter(self, others: Sequence["_Label"], lines: Sequence[float]) -> int:
        """How much it would lie on: labels weigh more than lines."""
        covered = sum(
            abs(self.y - other.y) < 14 and (self.side == other.side or len(self.text) + len(other.text) > 40)
            for other in others
        )
        return 10 * covered + sum(self.y - 12 < line < self.y + 3 for line in lines)


def empty(identity: str, title: str, description: str, why: str) -> Html:
    """A drawing in which there is nothing, and which says so."""
    box = el("rect", x="1", y="1", width=_n(WIDTH - 2), height="98", rx="4", class_="nothing")
    lines = [
        el("text", text, x=_n(WIDTH / 2), y=_n(46 + 20 * index), class_="middle")
        for index, text in enumerate(("No data", one_line(why, 52)))
    ]
    return _svg(identity, title, description, 100, [box, *lines])


def stylesheet(*, page: bool) -> str:
    """The rules of drawings; for a drawing in a file of its own with the palette, which a page has already."""
    rules = (_TEMPLATES / "chart.css").read_text(encoding="utf-8")
    return rules if page else (_TEMPLATES / "palette.css").read_text(encoding="utf-8") + rules


def standalone(drawing: Html) -> str:
    """A drawing as a file of its own, on a ground of its own."""
    head, end, rest = drawing.partition(">")
    style = f"<style>{stylesheet(page=False)}</style>"
    ground = '<rect width="100%" height="100%" class="ground"></rect>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head} xmlns="http://www.w3.org/2000/svg"{end}{style}{ground}{rest}\n'


def _svg(identity: str, title: str, description: str, height: float, parts: Iterable[Html]) -> Html:
    return el(
        "svg",
        el("title", title, id=f"{identity}-title"),
        el("desc", description, id=f"{identity}-desc"),
        join(parts),
        viewBox=f"0 0 {_n(WIDTH)} {_n(height)}",
        role="img",
        class_="chart",
        aria_labelledby=f"{identity}-title",
        aria_describedby=f"{identity}-desc",
    )


def _rows(legend: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """The legend in rows that fit."""
    rows: list[list[tuple[str, str]]] = []
    used = WIDTH
    for kind, text in ((kind, one_line(text, 44)) for kind, text in legend):
        if used + _room(text) > WIDTH:
            rows.append([])
            used = 0.0
        rows[-1].append((kind, text))
        used += _room(text)
    return rows


def _room(text: str) -> float:
    return 25 + len(text) * _CHAR + 10


def _unbroken(points: Sequence[Point]) -> Iterable[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for x, y in points:
        if y is not None:
            run.append((x, y))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in places)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _below(value: float) -> float:
    """The largest 1, 2 or 5 × 10ⁿ that is at most `value`."""
    power = floor(log10(value))
    fitting = (factor * 10.0**p for p in (power, power - 1) for factor in reversed(_ROUND))
    return next(found for found in fitting if found <= value * (1 + 1e-9))


def _above(value: float) -> float:
    """The least 1, 2 or 5 × 10ⁿ that is at least `value`."""
    power = floor(log10(value))
    fitting = (factor * 10.0**p for p in (power, power + 1) for factor in _ROUND)
    return next(found for found in fitting if found >= value * (1 - 1e-9))


def _elapsed(seconds: float) -> str:
    if seconds < 180:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} m" if seconds < 7200 else f"{seconds / 3600:.3g} h"
