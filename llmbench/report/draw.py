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
ROW_HEIGHT = 26
ROW_LABEL, CHARACTER = 230, 7.0
"""The most room for a row's name, and what one of its characters takes."""
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


def to_svg(chart: Any) -> str:
    """The chart as Vega's SVG."""
    import vl_convert

    # Altair's own validation costs more than all the rest, and the tests draw every chart.
    spec = _styled(chart).to_dict(validate=False)
    return str(vl_convert.vegalite_to_svg(spec))


def scatter(points: Data, frontier: Data, x: Scale, y: Scale) -> Any:
    """Points with intervals and labels, and the line of the Pareto frontier."""
    alt = _altair()
    across, up = _axis(alt.X, "x", x), _axis(alt.Y, "y", y)
    layers = [
        _rules(points, ("x", "y_low", None, "y_high"), across, up),
        _rules(points, ("x_low", "y", "x_high", None), across, up),
        alt.Chart(_data(frontier))
        .mark_line(interpolate="step-after", color=SOFT, strokeDash=[3, 3], aria=False)
        .encode(x=across, y=up, order="order:Q"),
        _rules([p for p in points if p["moved"]], ("x", "y", "label_x", "label_y"), across, up),
    ]
    for kind, fill, stroke in (
        ("plain", PAGE, MUTED),
        ("frontier", INK, INK),
        ("pick", ACCENT, ACCENT),
    ):
        layers.append(
            alt.Chart(_data([p for p in points if p["kind"] == kind]))
            .mark_point(fill=fill, stroke=stroke, size=70, opacity=1, strokeWidth=1.5)
            .encode(x=across, y=up, description="says:N")
        )
        layers += _labels([p for p in points if p["kind"] == kind], across, up, stroke)
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def curves(lines: Data, labels: Data, x: Scale, y: Scale) -> Any:
    """A line per series, with its label at its end."""
    alt = _altair()
    across, up = _axis(alt.X, "x", x), _axis(alt.Y, "y", y)
    layers = []
    for label in labels:
        own = [p for p in lines if p["series"] == label["series"]]
        layers.append(
            alt.Chart(_data(own))
            .mark_line(color=label["colour"], strokeWidth=label["stroke"], clip=True)
            .encode(x=across, y=up, description="says:N")
        )
    for label in (item for item in labels if item["text"]):
        layers.append(
            alt.Chart(_data([label]))
            .mark_text(align="left", dx=8, color=label["colour"], fontSize=TEXT_SIZE, aria=False)
            .encode(x=across, y=up, text="text:N")
        )
    return alt.layer(*layers).properties(width=WIDTH + 60, height=HEIGHT)


def bars(values: Data, rows: Sequence[str], phases: Sequence[str], x: Scale) -> Any:
    """A row per cell and a column of bars per phase, all on one scale."""
    alt = _altair()
    up = alt.Y("name:N", sort=list(rows), title=None, axis=_row_axis(rows))
    return (
        alt.Chart(_data(values))
        .mark_bar(height=10, color=SOFT)
        .encode(
            x=alt.X(
                "x:Q",
                title=x.title,
                scale=alt.Scale(domain=[x.low, x.high], nice=False),
                axis=alt.Axis(tickCount=2, grid=True),
            ),
            y=up,
            color=alt.Color("colour:N", scale=None, legend=None),
            description="says:N",
            column=alt.Column(
                "phase:N",
                sort=list(phases),
                title=None,
                header=alt.Header(labelColor=INK, labelFontSize=TEXT_SIZE, labelAnchor="start"),
            ),
        )
        .properties(width=92, height=ROW_HEIGHT * len(rows))
    )


def strips(values: Data, medians: Data, rows: Sequence[str], x: Scale) -> Any:
    """A row per cell with a tick per step, and the median as a dot."""
    alt = _altair()
    across = _axis(alt.X, "x", x)
    up = alt.Y("name:N", sort=list(rows), title=None, axis=_row_axis(rows))
    ticks = [
        alt.Chart(_data([v for v in values if v["counts"] is counts]))
        .mark_tick(color=colour, height=14, thickness=1.2, opacity=1, aria=False)
        .encode(x=across, y=up)
        for counts, colour in ((False, GRID), (True, SOFT))
    ]
    dots = (
        alt.Chart(_data(medians))
        .mark_point(fill=ACCENT, stroke=ACCENT, size=45, opacity=1)
        .encode(x=across, y=up, description="says:N")
    )
    return alt.layer(*ticks, dots).properties(width=WIDTH + 60, height=ROW_HEIGHT * len(rows))


def _labels(points: Data, across: Any, up: Any, colour: str) -> list[Any]:
    alt = _altair()
    ink = ACCENT if colour == ACCENT else INK
    made = []
    for align in ("left", "right"):
        own = [
            {"x": p["label_x"], "y": p["label_y"], "text": p["text"]}
            for p in points
            if p["text"] and p["align"] == align
        ]
        made.append(
            alt.Chart(_data(own))
            .mark_text(align=align, color=ink, fontSize=TEXT_SIZE, aria=False)
            .encode(x=across, y=up, text="text:N")
        )
    return made


def _rules(
    points: Data, ends: tuple[str, str, str | None, str | None], across: Any, up: Any
) -> Any:
    alt = _altair()
    x, y, x2, y2 = ends
    data = [
        {"x": p[x], "y": p[y]} | ({"x2": p[x2]} if x2 else {}) | ({"y2": p[y2]} if y2 else {})
        for p in points
        if p[x] is not None and p[y] is not None
    ]
    channels = {"x": across, "y": up}
    if x2:
        channels["x2"] = "x2:Q"
    if y2:
        channels["y2"] = "y2:Q"
    return (
        alt.Chart(_data(data)).mark_rule(color=GRID, strokeWidth=1.5, aria=False).encode(**channels)
    )


def _axis(channel: Any, field: str, scale: Scale) -> Any:
    alt = _altair()
    return channel(
        f"{field}:Q",
        title=scale.title,
        scale=alt.Scale(domain=[scale.low, scale.high], nice=False, zero=False),
        axis=alt.Axis(format=scale.format, tickCount=5),
    )


def _row_axis(rows: Sequence[str]) -> Any:
    """Names of rows. The page's typeface may be wider than the one that Vega measures with."""
    widest = min(ROW_LABEL, max(CHARACTER * len(row) for row in rows) + 16)
    return _altair().Axis(
        labelLimit=ROW_LABEL,
        minExtent=widest,
        ticks=False,
        domain=False,
        labelPadding=8,
        labelColor=INK,
    )


def _data(rows: Data) -> Any:
    return _altair().Data(values=rows)


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
