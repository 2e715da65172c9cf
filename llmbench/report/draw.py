"""The charts themselves, by Altair, and to SVG by vl-convert. Both are imported when drawing.

Every chart is drawn in stand-in colours, which `llmbench.report.svg` exchanges for classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

INK, MUTED, GRID, ACCENT, SOFT, PAGE = (f"#00000{n}" for n in range(1, 7))
SERIES = tuple(f"#0000a{n}" for n in range(1, 9))
WIDTH, HEIGHT = 440, 300
NARROW, PANEL = 330, 128
"""Width of charts that have text beside them, and of each panel of those that have several."""
ROW_HEIGHT = 26
ROW_LABEL, CHARACTER = 34, 7.2
"""The most characters of a row's name, and the room that one takes."""
TEXT_SIZE = 12

Data = list[dict[str, Any]]


@dataclass(frozen=True)
class Scale:
    """An axis: its title, its ends, and how its ticks read."""

    title: str
    low: float
    high: float
    format: str = ",~r"

    def pixels(self, value: float, length: float) -> float:
        """Where a value is on an axis of that length."""
        return (value - self.low) / (self.high - self.low) * length

    def value(self, pixels: float, length: float) -> float:
        """The value at that place."""
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
        return _altair().NamedData(name)

    def add(self, rows: Data, mark: str, options: dict[str, Any], **channels: Any) -> None:
        """One more layer, unless there is nothing in it."""
        if rows:
            plain = _altair().Chart(self.data(rows))
            self.layers.append(getattr(plain, f"mark_{mark}")(**options).encode(**channels))

    def svg(self, chart: Any = None, **size: Any) -> str:
        """The layers as Vega's SVG, or the chart where it is made otherwise."""
        import vl_convert

        chart = chart if chart is not None else _altair().layer(*self.layers).properties(**size)
        # Altair's own validation costs more than all the rest, and the tests draw every chart.
        spec = _styled(chart).to_dict(validate=False)
        return str(vl_convert.vegalite_to_svg(spec | {"datasets": self.sets}))


def scatter(points: Data, frontier: Data, x: Scale, y: Scale) -> str:
    """Points with intervals and labels, and the line of the Pareto frontier."""
    alt, drawing = _altair(), Drawing()
    across, up = _axis(alt.X, "x", x), _axis(alt.Y, "y", y)
    rule = {"color": GRID, "strokeWidth": 1.5, "aria": False}
    drawing.add(
        [p for p in points if p["y_low"] is not None],
        "rule",
        rule,
        x=across,
        y=_axis(alt.Y, "y_low", y),
        y2="y_high:Q",
    )
    drawing.add(
        [p for p in points if p["x_low"] is not None],
        "rule",
        rule,
        x=_axis(alt.X, "x_low", x),
        x2="x_high:Q",
        y=up,
    )
    dashed = {"interpolate": "step-after", "color": SOFT, "strokeDash": [3, 3], "aria": False}
    drawing.add(frontier, "line", dashed, x=across, y=up, order="order:Q")
    drawing.add(
        [p for p in points if p["moved"]],
        "rule",
        rule,
        x=across,
        y=up,
        x2="label_x:Q",
        y2="label_y:Q",
    )
    drawing.add(
        points,
        "point",
        {"size": 70, "opacity": 1, "strokeWidth": 1.5},
        x=across,
        y=up,
        description="says:N",
        fill=alt.Fill("fill:N", scale=None),
        stroke=alt.Stroke("stroke:N", scale=None),
    )
    for align in ("left", "right"):
        drawing.add(
            [p for p in points if p["text"] and p["align"] == align],
            "text",
            {"align": align, "fontSize": TEXT_SIZE, "aria": False},
            x=_axis(alt.X, "label_x", x),
            y=_axis(alt.Y, "label_y", y),
            text="text:N",
            color=alt.Color("ink:N", scale=None),
        )
    return drawing.svg(width=WIDTH, height=HEIGHT)


def curves(lines: Data, labels: Data, x: Scale, y: Scale) -> str:
    """A line per series, with its label at its end."""
    alt, drawing = _altair(), Drawing()
    across, up = _axis(alt.X, "x", x), _axis(alt.Y, "y", y)
    colour = alt.Color("colour:N", scale=None, legend=None)
    for strength in (1, 2):
        drawing.add(
            [p for p in lines if p["strength"] == strength],
            "line",
            {"strokeWidth": strength},
            x=across,
            y=up,
            color=colour,
            detail="series:N",
            description="says:N",
        )
    text = {"align": "left", "dx": 8, "fontSize": TEXT_SIZE, "aria": False}
    drawing.add(labels, "text", text, x=across, y=up, color=colour, text="text:N")
    # Room for the labels in a typeface that is wider than the one Vega measures with.
    beside = 5 + max((len(label["text"]) for label in labels), default=0)
    padding = {"left": 5, "top": 5, "bottom": 5, "right": beside}
    return drawing.svg(width=NARROW, height=HEIGHT, padding=padding)


def bars(values: Data, rows: Sequence[str], phases: Sequence[str], x: Scale) -> str:
    """A row per cell and a column of bars per phase, all on one scale."""
    alt, drawing = _altair(), Drawing()
    header = alt.Header(labelColor=INK, labelFontSize=TEXT_SIZE, labelAnchor="start")
    chart = (
        alt.Chart(drawing.data(values))
        .mark_bar(height=10)
        .encode(
            x=_axis(alt.X, "x", x, ticks=2),
            y=_row_axis(rows),
            color=alt.Color("colour:N", scale=None, legend=None),
            description="says:N",
            column=alt.Column("phase:N", sort=list(phases), title=None, header=header),
        )
        .properties(width=PANEL, height=ROW_HEIGHT * len(rows))
    )
    return drawing.svg(chart)


def strips(values: Data, medians: Data, rows: Sequence[str], x: Scale) -> str:
    """A row per cell with a tick per step, and the median as a dot."""
    alt, drawing = _altair(), Drawing()
    across, up = _axis(alt.X, "x", x), _row_axis(rows)
    tick = {"height": 14, "thickness": 1.2, "opacity": 1, "aria": False}
    colour = alt.Color("colour:N", scale=None, legend=None)
    drawing.add(values, "tick", tick, x=across, y=up, color=colour)
    dot = {"fill": ACCENT, "stroke": ACCENT, "size": 45, "opacity": 1}
    drawing.add(medians, "point", dot, x=across, y=up, description="says:N")
    return drawing.svg(width=NARROW, height=ROW_HEIGHT * len(rows))


def _axis(channel: Any, field: str, scale: Scale, ticks: int = 5) -> Any:
    alt = _altair()
    return channel(
        f"{field}:Q",
        title=scale.title,
        scale=alt.Scale(domain=[scale.low, scale.high], nice=False, zero=False),
        axis=alt.Axis(tickCount=ticks, labelExpr=_tick(scale.format)),
    )


def _tick(form: str) -> str:
    """How a tick reads: in the given format, but zero without a prefix."""
    return f"datum.value === 0 ? '0' : format(datum.value, '{form}')"


def _row_axis(rows: Sequence[str]) -> Any:
    """Names of rows. The page's typeface may be wider than the one that Vega measures with."""
    alt = _altair()
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
def _altair() -> Any:
    import altair

    return altair
