"""What charts are drawn on: stand-in colours, axes, and the way to SVG.

`llmbench.output.html.charts.svg` exchanges the colours for classes that follow the theme.
Altair and vl-convert are imported when something is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

from markupsafe import Markup

from llmbench import text
from llmbench.output.html.charts import svg
from llmbench.record.arm import Arm
from llmbench.text import GIB, MIB

INK, MUTED, GRID, ACCENT, SOFT, PAGE = (f"#00000{n}" for n in range(1, 7))
SERIES = tuple(f"#0000a{n}" for n in range(1, 9))
STACK = tuple(f"#0000b{n}" for n in range(1, 6))
"""Of what a peak is made of; unlike series, told apart without a label beside each."""
WIDTH, HEIGHT = 440, 300
NARROW, PANEL, BROAD = 330, 128, 696
"""Width of charts that have text beside them, of each panel of those that have several, and of
one that is as wide as five of them."""
ROW_HEIGHT = 26
ROW_LABEL, CHARACTER = 34, 7.2
"""The most characters of a row's name, and the room that one takes."""
TEXT_SIZE = 12

Datum = dict[str, Any]
Data = list[Datum]


@dataclass(frozen=True)
class Scale:
    """An axis: its title, its ends, and how its ticks read."""

    title: str
    low: float
    high: float
    format: str = ",~r"
    ticks: tuple[float, ...] = ()
    """Where its ticks are; wherever Vega has them if there are none."""
    logarithmic: bool = False

    def pixels(self, value: float, length: float) -> float:
        """Where a value is on an axis of that length."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low) * length
        return (value - self.low) / (self.high - self.low) * length

    def value(self, pixels: float, length: float) -> float:
        """The value at that place."""
        if self.logarithmic:
            return float(self.low * (self.high / self.low) ** (pixels / length))
        return self.low + pixels / length * (self.high - self.low)


def missing() -> str | None:
    """The package without which no chart can be drawn, if one is not installed."""
    return next((p for p in ("altair", "vl_convert") if find_spec(p) is None), None)


class Drawing:
    """A chart in the making, and its data by name.

    Altair copies and checks inline data value by value, which for a thousand cells takes longer
    than all the rest: it gets names, and Vega the data.
    """

    def __init__(self) -> None:
        self.sets: dict[str, Data] = {}
        self.layers: list[Any] = []

    def data(self, rows: Data) -> Any:
        """A reference to the rows."""
        name = f"set{len(self.sets)}"
        self.sets[name] = rows
        return altair().NamedData(name)

    def add(self, rows: Data, mark: str, options: dict[str, Any], **channels: Any) -> None:
        """One more layer, unless there is nothing in it."""
        if rows:
            plain = altair().Chart(self.data(rows))
            self.layers.append(getattr(plain, f"mark_{mark}")(**options).encode(**channels))

    def svg(self, chart: Any = None, **size: Any) -> str:
        """The layers as Vega's SVG, or the chart where it is made otherwise."""
        import vl_convert

        chart = chart if chart is not None else altair().layer(*self.layers).properties(**size)
        # Altair's own validation costs more than all the rest, and the tests draw every chart.
        spec = _styled(chart).to_dict(validate=False)
        return str(vl_convert.vegalite_to_svg(spec | {"datasets": self.sets}))


def axis(channel: Any, field: str, scale: Scale, ticks: int = 5) -> Any:
    """An axis of figures on a scale."""
    alt = altair()
    return channel(
        f"{field}:Q",
        title=scale.title,
        scale=alt.Scale(
            type="log" if scale.logarithmic else "linear",
            domain=[scale.low, scale.high],
            nice=False,
            zero=False,
        ),
        axis=alt.Axis(
            tickCount=ticks,
            labelExpr=_tick(scale.format),
            **({"values": list(scale.ticks)} if scale.ticks else {}),
        ),
    )


def ceiling(values: Sequence[float], least: float) -> float:
    """Where an axis ends so that a few values far above all others do not squeeze the rest.

    It reaches to `least` in any case, and to most of the values.
    """
    low, most = min(values), sorted(values)[3 * (len(values) - 1) // 4]
    far = max(least, most)
    limit = low + 3 * (far - low) if far > low else max(values)
    return max(least, *(v for v in values if v <= limit))


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


def _tick(form: str) -> str:
    """How a tick reads: in the given format, but zero without a prefix."""
    return f"datum.value === 0 ? '0' : format(datum.value, '{form}')"


def row_axis(rows: Sequence[str]) -> Any:
    """Names of rows. The page's typeface may be wider than the one that Vega measures with."""
    alt = altair()
    widest = CHARACTER * max(len(row) for row in rows) + 16
    axis = alt.Axis(
        labelLimit=0,
        minExtent=widest,
        ticks=False,
        domain=False,
        labelPadding=8,
        labelColor=INK,
    )
    return alt.Y("name:N", sort=list(rows), title=None, axis=axis)


def _styled(chart: Any) -> Any:
    """Quiet axes: no frame, a faint grid, small type in the page's own face."""
    return (
        chart.configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED,
            titleColor=MUTED,
            titleFontWeight="normal",
            titleFontSize=TEXT_SIZE,
            labelFontSize=TEXT_SIZE,
            gridColor=GRID,
            domainColor=GRID,
            tickColor=GRID,
            titlePadding=8,
        )
        .configure_scale(bandPaddingInner=0.3)
        .configure_facet(spacing=14)
    )


@cache
def altair() -> Any:
    """The module, imported when it is first asked for."""
    import altair as module

    return module


MOST_ROWS = 24
"""Cells in a chart that has a row or a line for each."""


@dataclass(frozen=True)
class Chart:
    """What the page needs of one chart."""

    name: str
    title: str
    description: str
    caption: str
    drawing: Markup | None
    """None where the packages that draw are not installed: the table stands in."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def chart(
    name: str,
    title: str,
    description: str,
    caption: str,
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    make: Callable[[], str] | None,
) -> Chart:
    """Draw, where that can be done; without `make` there is nothing but the table."""
    drawing = None
    if make and missing() is None:
        drawing = svg.finish(make(), name, title, description)
    header, rows = table
    return Chart(
        name, title, description, caption, drawing, tuple(header), tuple(tuple(r) for r in rows)
    )


def bytes_unit(largest: float) -> tuple[str, float]:
    """The unit for an axis up to so many bytes, and how many bytes it is."""
    return ("GiB", GIB) if largest >= GIB else ("MiB", MIB)


def chosen(arms: Sequence[Arm], preferred: Sequence[Arm]) -> list[Arm]:
    """As many rows as a chart holds, in their order, the preferred ones first to be kept."""
    if len(arms) <= MOST_ROWS:
        return list(arms)
    ids = dict.fromkeys(arm.id for arm in [*preferred, *arms])
    held = {arm.id for arm in arms}
    kept = set([i for i in ids if i in held][:MOST_ROWS])
    return [arm for arm in arms if arm.id in kept]


def left_out(all_of: Sequence[Arm], kept: Sequence[Arm]) -> str:
    """A sentence on the cells that a chart has no room for; empty where it shows all."""
    count = len(all_of) - len(kept)
    return f" {count:,} more cells are in the table only." if count else ""


def unique(names: Sequence[str]) -> list[str]:
    """The names, shortened, and numbered where two are the same: Vega tells rows apart by them."""
    seen: dict[str, int] = {}
    found = []
    for name in (text.short(name, ROW_LABEL) for name in names):
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def bars(values: Data, rows: Sequence[str], phases: Sequence[str], x: Scale) -> str:
    """A row per cell and a column of bars per phase, all on one scale."""
    alt, drawing = altair(), Drawing()
    header = alt.Header(labelColor=INK, labelFontSize=TEXT_SIZE, labelAnchor="start")
    chart = (
        alt.Chart(drawing.data(values))
        .mark_bar(height=10)
        .encode(
            x=axis(alt.X, "x", x, ticks=2 if x.low == 0 else 4),
            y=row_axis(rows),
            color=alt.Color("colour:N", scale=None, legend=None),
            description="says:N",
            column=alt.Column("phase:N", sort=list(phases), title=None, header=header),
        )
        .properties(width=PANEL, height=ROW_HEIGHT * len(rows))
    )
    return drawing.svg(chart)


def stacks(
    values: Data, labels: Data, limits: Data, rows: Sequence[str], parts: Sequence[str], x: Scale
) -> str:
    """A bar per row made of parts, a thin one under it, what it comes to, and limits across all."""
    alt, drawing = altair(), Drawing()
    across, up = axis(alt.X, "x", x), row_axis(rows)
    legend = alt.Legend(
        orient="top",
        title=None,
        symbolType="square",
        labelFontSize=TEXT_SIZE,
        labelColor=INK,
        columnPadding=24,
        offset=24,
    )
    colour = alt.Color(
        "part:N", scale=alt.Scale(domain=list(parts), range=list(STACK)), legend=legend
    )
    thin = any(value["thin"] for value in values)
    for is_thin, height, offset in ((False, 11, -3 if thin else 0), (True, 4, 6)):
        drawing.add(
            [v for v in values if v["thin"] is is_thin],
            "bar",
            {"height": height, "yOffset": offset},
            x=across,
            x2="end:Q",
            y=up,
            color=colour,
            description="says:N",
        )
    beside = {"align": "left", "dx": 6, "fontSize": TEXT_SIZE, "color": INK, "aria": False}
    drawing.add(labels, "text", beside, x=across, y=up, text="text:N")
    dashed = {"color": MUTED, "strokeDash": [3, 3], "strokeWidth": 1.5, "aria": False}
    drawing.add(limits, "rule", dashed, x=across)
    above = {"fontSize": TEXT_SIZE, "baseline": "bottom", "dy": -4, "color": INK, "aria": False}
    drawing.add(limits, "text", above, x=across, y=alt.value(0), text="text:N")
    return drawing.svg(width=BROAD, height=(ROW_HEIGHT + 4 * thin) * len(rows))


def strips(values: Data, medians: Data, rows: Sequence[str], x: Scale) -> str:
    """A row per cell with a tick per step, and the median as a dot."""
    alt, drawing = altair(), Drawing()
    across, up = axis(alt.X, "x", x), row_axis(rows)
    tick = {"height": 14, "thickness": 1.2, "opacity": 1, "aria": False}
    colour = alt.Color("colour:N", scale=None, legend=None)
    drawing.add(values, "tick", tick, x=across, y=up, color=colour)
    dot = {"fill": ACCENT, "stroke": ACCENT, "size": 45, "opacity": 1}
    drawing.add(medians, "point", dot, x=across, y=up, description="says:N")
    return drawing.svg(width=NARROW, height=ROW_HEIGHT * len(rows))
