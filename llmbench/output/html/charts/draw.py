"""Charts on two scales, each from its data to Vega's SVG: points, and lines."""

from __future__ import annotations

from typing import Any

from llmbench.output.html.charts.canvas import (
    GRID,
    HEIGHT,
    NARROW,
    SOFT,
    TEXT_SIZE,
    WIDTH,
    Data,
    Drawing,
    Scale,
    altair,
    axis,
)


def scatter(points: Data, frontier: Data, x: Scale, y: Scale) -> str:
    """Points with intervals and labels, and the line of the Pareto frontier."""
    alt, drawing = altair(), Drawing()
    across, up = axis(alt.X, "x", x), axis(alt.Y, "y", y)
    rule = {"color": GRID, "strokeWidth": 1.5, "aria": False}
    drawing.add(
        [p for p in points if p["y_low"] is not None],
        "rule",
        rule,
        x=across,
        y=axis(alt.Y, "y_low", y),
        y2="y_high:Q",
    )
    drawing.add(
        [p for p in points if p["x_low"] is not None],
        "rule",
        rule,
        x=axis(alt.X, "x_low", x),
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
            x=axis(alt.X, "label_x", x),
            y=axis(alt.Y, "label_y", y),
            text="text:N",
            color=alt.Color("ink:N", scale=None),
        )
    return drawing.svg(width=WIDTH, height=HEIGHT)


def curves(lines: Data, labels: Data, x: Scale, y: Scale) -> str:
    """A line per series, with its label at its end, on a band where it has one."""
    alt, drawing = altair(), Drawing()
    across, up = axis(alt.X, "x", x), axis(alt.Y, "y", y)
    colour = alt.Color("colour:N", scale=None, legend=None)
    banded(drawing, lines, (across, axis(alt.Y, "low", y), up), colour)
    text = {"align": "left", "dx": 8, "fontSize": TEXT_SIZE, "aria": False}
    drawing.add(labels, "text", text, x=across, y=up, color=colour, text="text:N")
    # Room for the labels in a typeface that is wider than the one Vega measures with.
    beside = 5 + max((len(label["text"]) for label in labels), default=0)
    padding = {"left": 5, "top": 5, "bottom": 5, "right": beside}
    return drawing.svg(width=NARROW, height=HEIGHT, padding=padding)


def banded(
    drawing: Drawing, lines: Data, axes: tuple[Any, Any, Any], colour: Any, dots: bool = False
) -> None:
    """A line per series over its band, on what is across, the band's lower end, and what is up.

    Dots lie under the lines, so that the mouse meets the line everywhere.
    """
    across, low, up = axes
    band = {"fillOpacity": 0.15, "aria": False}
    held = [p for p in lines if "low" in p]
    drawing.add(held, "area", band, x=across, y=low, y2="high:Q", color=colour, detail="series:N")
    if dots:
        dot = {"size": 26, "opacity": 1, "filled": True, "aria": False}
        strong = [p for p in lines if p["strength"] > 1]
        drawing.add(strong, "point", dot, x=across, y=up, color=colour)
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
