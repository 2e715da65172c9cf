"""Drawing in SVG: scales, axes, marks and labels, in the colours of the page's style sheet.

Every drawing is as wide as a phone, so that its text is as large there as anywhere; the page sets
several side by side. It needs no script: marks carry what they say as a title.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from llmbench import units
from llmbench.text import clean

WIDTH = 360
"""Of every drawing, in pixels: what a phone has room for."""
HEIGHT = 300
"""Of a drawing with two axes."""
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 26, 44
"""Room around the axes, for what stands there."""
BESIDE = 108
"""Room to the right of lines that have their labels there."""
CHARACTER, LINE, GAP = 6.9, 14.0, 8.0
"""Width of a character and height of a line at the drawings' type size, and the distance kept."""

SERIES = tuple(f"series{n}" for n in range(1, 9))
STACK = tuple(f"stack{n}" for n in range(1, 6))
"""Classes of colours: of lines, and of what a peak is made of."""
ARROWS = {"higher": "more is better", "lower": "less is better"}


def plain(value: float) -> str:
    """A tick's figure without a prefix."""
    return f"{value:,.6g}"


def prefixed(value: float) -> str:
    """A tick's figure with K, M or B."""
    return units.count(value) if abs(value) >= 1000 else plain(value)


@dataclass(frozen=True)
class Scale:
    """An axis: its title, its ends, and how its ticks read."""

    title: str
    low: float
    high: float
    form: Callable[[float], str] = plain
    ticks: tuple[float, ...] = ()
    """Where its ticks are; at round figures if there are none."""
    logarithmic: bool = False

    def pixels(self, value: float, length: float) -> float:
        """Where a value is on an axis of that length, counted from its low end."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low) * length
        return (value - self.low) / (self.high - self.low) * length

    def marks(self, count: int) -> list[float]:
        """Where its ticks are, about so many."""
        return list(self.ticks) or list(round_steps(self.low, self.high, count))


def round_steps(low: float, high: float, count: int = 5) -> Iterator[float]:
    """About so many round numbers between the ends, evenly spread."""
    rough = (high - low) / count
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)
    yield from (n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1))


def round_ratios(low: float, high: float) -> Iterator[float]:
    """Powers of ten between the ends and, where these are close, their multiples by 2 and 5."""
    digits = (1, 2, 5) if high / low < 100 else (1,)
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        yield from (v for d in digits if low <= (v := d * 10.0**power) <= high)


def ceiling(values: Sequence[float], least: float) -> float:
    """Where an axis ends so that a few values far above all others do not squeeze the rest.

    It reaches to `least` in any case, and to most of the values.
    """
    low, most = min(values), sorted(values)[3 * (len(values) - 1) // 4]
    far = max(least, most)
    limit = low + 3 * (far - low) if far > low else max(values)
    return max(least, *(v for v in values if v <= limit))


def spread(wanted: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """The positions, moved apart to be `least` from each other and inside the bounds."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    moved = [wanted[i] for i in order]
    for index in range(1, len(moved)):
        moved[index] = max(moved[index], moved[index - 1] + least)
    if moved:
        moved[-1] = min(moved[-1], high)
    for index in range(len(moved) - 2, -1, -1):
        moved[index] = min(moved[index], moved[index + 1] - least)
    placed = dict(zip(order, (max(low, m) for m in moved), strict=True))
    return [placed[i] for i in range(len(wanted))]


Attributes = dict[str, Any]
Spot = tuple[float, float]
"""A place on the drawing, in pixels from its upper left corner."""


@dataclass(frozen=True)
class Says:
    """What a mark tells, and the row of the table that it belongs to; 0 for none."""

    row: int
    text: str


@dataclass(frozen=True)
class Stop:
    """A point of a line, and the ends of the band around it, where there is one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


class Plot:
    """A drawing in the making. What is added later lies above."""

    def __init__(
        self,
        x: Scale,
        y: Scale | None = None,
        *,
        height: float = HEIGHT,
        left: float = LEFT,
        right: float = RIGHT,
        top: float = TOP,
    ) -> None:
        self.scale_x, self.scale_y, self.height = x, y, height
        self.left, self.right, self.top, self.bottom = left, WIDTH - right, top, height - BOTTOM
        self.elements: list[str] = []

    def x(self, value: float) -> float:
        """Where a value is on the axis across."""
        return self.left + self.scale_x.pixels(value, self.right - self.left)

    def y(self, value: float) -> float:
        """Where a value is on the axis that goes up."""
        assert self.scale_y
        return self.bottom - self.scale_y.pixels(value, self.bottom - self.top)

    def at(self, x: float, y: float) -> Spot:
        """Where a point is."""
        return self.x(x), self.y(y)

    def axes(self, ticks: int = 4) -> None:
        """Both axes, or the one across, with a faint grid."""
        for value in self.scale_x.marks(ticks):
            x = self.x(value)
            self.rule((x, self.top), (x, self.bottom), "grid")
            label = "0" if value == 0 else self.scale_x.form(value)
            self.text((x, self.bottom + 15), label, "muted", "middle")
        middle = (self.left + self.right) / 2
        self.text((middle, self.bottom + 34), self.scale_x.title, "muted", "middle")
        if not self.scale_y:
            return
        for value in self.scale_y.marks(5):
            y = self.y(value)
            self.rule((self.left, y), (self.right, y), "grid")
            label = "0" if value == 0 else self.scale_y.form(value)
            self.text((self.left - 6, y + 4), label, "muted", "end")
        self.text((2, 12), self.scale_y.title, "muted")

    def rule(self, start: Spot, end: Spot, colour: str, width: float = 1, dash: str = "") -> None:
        """A straight line."""
        self.line([start, end], colour, width, dash)

    def line(
        self,
        spots: Sequence[Spot],
        colour: str,
        width: float = 1.5,
        dash: str = "",
        says: Says | None = None,
    ) -> None:
        """A line through the places."""
        path = "M" + "L".join(f"{number(x)},{number(y)}" for x, y in spots)
        stroke: Attributes = {
            "fill": "none",
            "stroke_width": width,
            "stroke_dasharray": dash or None,
        }
        self._add("path", says, d=path, class_=f"s-{colour}", **stroke)

    def curve(
        self, stops: Sequence[Stop], colour: str, strong: bool, says: Says, dots: bool = False
    ) -> None:
        """A line on its band, if it has one; points lie under it, so that a mouse meets it all."""
        banded = [(s.x, s.low, s.high) for s in stops if s.low is not None and s.high is not None]
        if banded:
            upper = [self.at(x, high) for x, _, high in banded]
            lower = [self.at(x, low) for x, low, _ in reversed(banded)]
            path = "M" + "L".join(f"{number(x)},{number(y)}" for x, y in (*upper, *lower)) + "Z"
            self._add("path", None, d=path, class_=f"f-{colour}", fill_opacity=".15")
        spots = [self.at(s.x, s.y) for s in stops]
        for spot in spots if dots and strong else ():
            self.dot(spot, colour, colour, 2.5)
        self.line(spots, colour, 2 if strong else 1, says=says)

    def dot(
        self, spot: Spot, fill: str, stroke: str, radius: float = 4.7, says: Says | None = None
    ) -> None:
        """A round mark."""
        position: Attributes = {"cx": spot[0], "cy": spot[1], "r": radius}
        self._add("circle", says, **position, class_=f"f-{fill} s-{stroke}", stroke_width=1.5)

    def sign(self, spot: Spot, path: str, colour: str, says: Says) -> None:
        """A mark of lines around the place."""
        move = f"translate({number(spot[0])},{number(spot[1])})"
        look: Attributes = {"class_": f"s-{colour}", "fill": "none", "stroke_width": 2}
        self._add("path", says, d=path, transform=move, **look)

    def bar(
        self, spot: Spot, width: float, height: float, colour: str, says: Says | None = None
    ) -> None:
        """A rectangle with its upper left corner there."""
        position: Attributes = {"x": spot[0], "y": spot[1], "width": width, "height": height}
        self._add("rect", says, **position, class_=f"f-{colour}")

    def ticks(self, positions: Sequence[float], y: float, height: float, colour: str) -> None:
        """Upright strokes at these places, from there down."""
        if positions:
            path = "".join(f"M{number(x)},{number(y)}v{number(height)}" for x in positions)
            self._add("path", None, d=path, class_=f"s-{colour}", fill="none", stroke_width=1.2)

    def text(self, spot: Spot, content: str, colour: str = "ink", anchor: str = "start") -> None:
        """A line of text; readers of the page's text hear the marks instead."""
        attributes: Attributes = {
            "text_anchor": None if anchor == "start" else anchor,
            "class_": f"f-{colour}",
        }
        self._add("text", None, content=content, x=spot[0], y=spot[1], **attributes)

    def beside(self, labels: Sequence[tuple[float, str, str]]) -> list[float]:
        """A label, in its colour, as near its height as the others let it; the heights taken."""
        wanted = [y for y, _, _ in labels]
        placed = spread(wanted, LINE + 1, self.top + 4, self.bottom - 4)
        for y, (_, content, colour) in zip(placed, labels, strict=True):
            self.text((self.right + GAP, y + 4), content, colour)
        return placed

    def finish(self, name: str, title: str, description: str) -> Markup:
        """The drawing with its text alternatives; `name` keeps its ids apart from others'."""
        labels = element("title", str(escape(title)), id=f"{name}-title")
        labels += element("desc", str(escape(clean(description))), id=f"{name}-desc")
        content = labels + "".join(self.elements)
        box = f"0 0 {WIDTH} {number(self.height)}"
        named = f"{name}-title {name}-desc"
        space = "http://www.w3.org/2000/svg"
        return Markup(
            element(
                "svg",
                content,
                xmlns=space,
                viewBox=box,
                font_size="12",
                role="graphics-document",
                aria_labelledby=named,
            )
        )

    def _add(self, tag: str, says: Says | None, /, *, content: str = "", **attributes: Any) -> None:
        inside = str(escape(clean(content)))
        if says:
            attributes |= {"role": "graphics-symbol", "data_cell": says.row}
            inside = element("title", str(escape(clean(says.text))))
        self.elements.append(element(tag, inside, **attributes))


def element(tag: str, content: str = "", /, **attributes: Any) -> str:
    """An element of SVG. In names, underscores stand for hyphens, or at the end for nothing."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{named}>{content}</{tag}>" if content else f"<{tag}{named}/>"


def _attribute(value: object) -> str:
    return str(escape(clean(value))) if isinstance(value, str) else number(value)


def number(value: object) -> str:
    """A coordinate to a tenth of a pixel."""
    assert isinstance(value, int | float)
    return f"{round(value, 1) + 0.0:g}"
