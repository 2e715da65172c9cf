"""Charts of lines with points, each from its data to Vega's SVG: learning, and learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llmbench.output.html.charts.canvas import (
    HEIGHT,
    MUTED,
    SOFT,
    TEXT_SIZE,
    WIDTH,
    Data,
    Drawing,
    Scale,
    altair,
    axis,
)
from llmbench.output.html.charts.draw import banded

PANE = 380
"""Width of one of two panels."""
CLOSE = 20
"""Between panels that share an axis."""
BESIDE = 10
"""Between the end of the axis, or a point, and what stands there."""
CROSS = "M-.8,-.8L.8,.8M.8,-.8L-.8,.8"
TRIANGLE = "triangle-up"
"""What stands above the axis: a try without a loss, and one whose loss is too high for it."""


def panels(
    lines: Data, labels: Data, goal: Data, across: Sequence[tuple[str, Scale]], y: Scale
) -> str:
    """The same lines over several measures, each in a panel, on one scale of what is up.

    `across` has the field and the scale of each panel. The last has a label for each line; `goal`
    is a line across all, which the first says the meaning of.
    """
    alt, drawing = altair(), Drawing()
    found = []
    for number, (field, x) in enumerate(across):
        drawing.layers = []
        up = y if number == 0 else replace(y, title="")
        _goal(drawing, goal if number == 0 else [{**g, "text": ""} for g in goal], up)
        _traces(drawing, lines, field, (x, up))
        if number == len(across) - 1:
            _beside(drawing, labels, PANE, up)
        found.append(alt.layer(*drawing.layers).properties(width=PANE, height=HEIGHT))
    return drawing.svg(alt.hconcat(*found, spacing=CLOSE, padding=_padding(labels)))


def _traces(drawing: Drawing, lines: Data, field: str, scales: tuple[Scale, Scale]) -> None:
    """Bands, points, and the lines above them."""
    alt, (x, y) = altair(), scales
    axes = axis(alt.X, field, x), axis(alt.Y, "low", y), axis(alt.Y, "y", y)
    banded(drawing, lines, axes, _colour(), dots=True)


def _goal(drawing: Drawing, goal: Data, y: Scale) -> None:
    """A dashed line across, with its meaning at its right end."""
    alt = altair()
    up = axis(alt.Y, "y", y)
    dashed = {"color": MUTED, "strokeDash": [4, 3], "strokeWidth": 1.5, "aria": False}
    drawing.add(goal, "rule", dashed, y=up)
    above = {"align": "right", "baseline": "bottom", "dy": -4, "fontSize": TEXT_SIZE}
    drawing.add(
        [g for g in goal if g["text"]],
        "text",
        {**above, "color": MUTED, "aria": False},
        x=alt.value(PANE),
        y=up,
        text="text:N",
    )


def rates(
    points: Data, beyond: Data, notes: Data, labels: Data, x: Scale, y: Scale, height: float
) -> str:
    """Points on lines over learning rates, the chosen ones filled, each line with its label.

    `beyond` are points without a place on the axis of losses: they stand above it, on rows of
    their own that make the chart so much higher than others, and `notes` say what they are.
    """
    alt, drawing = altair(), Drawing()
    across, up, colour = axis(alt.X, "x", x), axis(alt.Y, "y", y), _colour()
    if beyond:
        top = alt.value(height - HEIGHT)
        drawing.add([{}], "rule", {"color": SOFT, "aria": False}, y=top)
    leader = {"strokeWidth": 1, "strokeDash": [1, 3], "aria": False}
    drawing.add(labels, "rule", leader, x=across, y=up, x2="x2:Q", y2="y2:Q", color=colour)
    line = {"strokeWidth": 2, "aria": False}
    drawing.add(points, "line", line, x=across, y=up, color=colour, detail="series:N")
    for chosen, size in ((False, 40), (True, 120)):
        drawing.add(
            [p for p in points if p["chosen"] is chosen],
            "point",
            {"size": size, "opacity": 1, "strokeWidth": 2},
            x=across,
            y=up,
            description="says:N",
            fill=alt.Fill("fill:N", scale=None),
            stroke=alt.Stroke("stroke:N", scale=None),
        )
    for shape in (CROSS, TRIANGLE):
        drawing.add(
            [b for b in beyond if b["shape"] == shape],
            "point",
            {"shape": shape, "size": 60, "opacity": 1, "strokeWidth": 2},
            x=across,
            y=up,
            description="says:N",
            stroke=alt.Stroke("colour:N", scale=None),
        )
    for align in ("left", "right"):
        beside = {"align": align, "dx": BESIDE if align == "left" else -BESIDE}
        drawing.add(
            [n for n in notes if n["align"] == align],
            "text",
            {**beside, "fontSize": TEXT_SIZE, "aria": False},
            x=across,
            y=up,
            color=colour,
            text="text:N",
        )
    _beside(drawing, [{**label, "y": label["y2"]} for label in labels], WIDTH, y)
    return drawing.svg(width=WIDTH, height=height, padding=_padding(labels))


def _beside(drawing: Drawing, labels: Data, width: float, y: Scale) -> None:
    """A label for each line, in a column beside the axis."""
    alt = altair()
    drawing.add(
        labels,
        "text",
        {"align": "left", "dx": BESIDE, "fontSize": TEXT_SIZE, "aria": False},
        x=alt.value(width),
        y=axis(alt.Y, "y", y),
        color=_colour(),
        text="text:N",
    )


def _padding(labels: Data) -> dict[str, float]:
    """Room for the labels in a typeface that is wider than the one that Vega measures with."""
    beside = 5 + max((len(label["text"]) for label in labels), default=0)
    return {"left": 5, "top": 5, "bottom": 5, "right": beside}


def _colour() -> Any:
    return altair().Color("colour:N", scale=None, legend=None)
