"""Charts with a row for each cell, each from its data to Vega's SVG."""

from __future__ import annotations

from collections.abc import Sequence

from llmbench.report.canvas import (
    ACCENT,
    BROAD,
    INK,
    MUTED,
    NARROW,
    PANEL,
    ROW_HEIGHT,
    STACK,
    TEXT_SIZE,
    Data,
    Drawing,
    Scale,
    altair,
    axis,
    row_axis,
)


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
