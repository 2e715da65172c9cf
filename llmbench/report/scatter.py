"""Quality against memory and against speed, with the Pareto frontier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from llmbench.record import Record
from llmbench.report import canvas, draw, side, words
from llmbench.report.canvas import Scale
from llmbench.report.chart import Chart, chart
from llmbench.report.place import Box, Label, place
from llmbench.report.side import Side
from llmbench.report.standing import Standing
from llmbench.report.table import summary_figures

LABELS = 14
"""Points that get a label; of more, those on the frontier do."""
MOST_POINTS = 300


def scatters(standing: Standing, pick: Record | None) -> Iterator[Chart]:
    """The charts of what is traded for what; none where fewer than two cells can be shown."""
    shown = standing.competing
    if len(shown) < 2:
        return
    memory, rate = side.memory(standing), side.training_speed(standing)
    if standing.score is None:
        yield _scatter("speed-memory", rate, memory, standing, pick)
        return
    quality = side.quality(standing, standing.score)
    yield _scatter("quality-memory", quality, memory, standing, pick)
    yield _scatter("quality-speed", quality, rate, standing, pick)


def frontier(records: Sequence[Record], up: Side, across: Side) -> list[Record]:
    """The cells that no other beats in one figure without losing in the other, along the x axis."""
    sign_x = 1 if across.better == "higher" else -1
    sign_y = 1 if up.better == "higher" else -1
    ranked = sorted(records, key=lambda r: (-sign_x * across.scaled(r), -sign_y * up.scaled(r)))
    found: list[Record] = []
    for record in ranked:
        if not found or sign_y * up.scaled(record) > sign_y * up.scaled(found[-1]):
            found.append(record)
    return sorted(found, key=across.scaled)


def _scatter(name: str, up: Side, across: Side, standing: Standing, pick: Record | None) -> Chart:
    shown = standing.competing[:MOST_POINTS]
    best = frontier(shown, up, across)
    x, y = side.scale(across, shown, zero=True), side.scale(up, shown, zero=standing.score is None)
    edge = [{"x": across.scaled(r), "y": up.scaled(r), "order": i} for i, r in enumerate(best)]
    points = _points(shown, up, across, (x, y), standing, best, pick)
    title = f"{up.title} against {across.title[0].lower()}{across.title[1:]}"
    listed = words.listed([standing.name(r) for r in best], 10)
    caption = (
        f"Filled: on the Pareto frontier, so that no cell is better on both figures ({listed}). "
        "Lines are 95 % intervals."
        + (" The accent marks the pick." if pick else "")
        + (
            f" {len(standing.competing) - len(shown):,} more are in the table only."
            if len(standing.competing) > len(shown)
            else ""
        )
    )
    return chart(
        name,
        title,
        f"Scatter of {len(shown)} cells. On the Pareto frontier: "
        f"{', '.join(standing.names[r.cell.id] for r in best[:20])}.",
        caption,
        _table(shown, up, across, best, standing),
        lambda: draw.scatter(points, edge if len(edge) > 1 else [], x, y),
    )


def _points(
    shown: Sequence[Record],
    up: Side,
    across: Side,
    scales: tuple[Scale, Scale],
    standing: Standing,
    best: Sequence[Record],
    pick: Record | None,
) -> canvas.Data:
    size = (canvas.WIDTH, canvas.HEIGHT)
    pixels = [_pixels(r, up, across, scales) for r in shown]
    edge, picked = {r.cell.id for r in best}, pick.cell.id if pick else ""
    named = {r.cell.id for r in shown} if len(shown) <= LABELS else {*sorted(edge)[:LABELS], picked}
    texts = [
        words.short(standing.names[r.cell.id], 44) if r.cell.id in named else "" for r in shown
    ]
    labels = place(pixels, texts, size, _lines(best, up, across, scales))
    numbers = {r.cell.id: n for n, r in enumerate(standing.records, start=1)}
    found = []
    for record, text, label in zip(shown, texts, labels, strict=True):
        cell = record.cell.id
        point: dict[str, Any] = {
            "x": across.scaled(record),
            "y": up.scaled(record),
            "says": f"[{numbers[cell]}] {standing.names[cell]}: "
            f"{summary_figures(record, standing)}",
            **_colours(cell == picked, cell in edge),
            **_bounds(record, up, across, len(shown) <= 2 * LABELS),
            **_placed(text, label, scales),
        }
        found.append(point)
    return found


def _pixels(
    record: Record, up: Side, across: Side, scales: tuple[Scale, Scale]
) -> tuple[float, float]:
    x, y = scales
    left = x.pixels(across.scaled(record), canvas.WIDTH)
    return left, canvas.HEIGHT - y.pixels(up.scaled(record), canvas.HEIGHT)


def _colours(picked: bool, on_edge: bool) -> dict[str, str]:
    line = canvas.ACCENT if picked else canvas.INK if on_edge else canvas.MUTED
    fill = line if picked or on_edge else canvas.PAGE
    return {"fill": fill, "stroke": line, "ink": canvas.ACCENT if picked else canvas.INK}


def _bounds(record: Record, up: Side, across: Side, wanted: bool) -> dict[str, float | None]:
    y_low, y_high = (wanted and up.bounds(record)) or (None, None)
    x_low, x_high = (wanted and across.bounds(record)) or (None, None)
    return {"x_low": x_low, "x_high": x_high, "y_low": y_low, "y_high": y_high}


def _placed(text: str, label: Label, scales: tuple[Scale, Scale]) -> dict[str, Any]:
    x, y = scales
    return {
        "text": text,
        "align": label.align,
        "moved": bool(text) and label.moved,
        "label_x": x.value(label.x, canvas.WIDTH),
        "label_y": y.value(canvas.HEIGHT - label.y, canvas.HEIGHT),
    }


def _lines(
    best: Sequence[Record], up: Side, across: Side, scales: tuple[Scale, Scale]
) -> list[Box]:
    """Where the frontier runs: along to the next cell, then up or down to it."""
    corners = [_pixels(r, up, across, scales) for r in best]
    found = []
    for (x1, y1), (x2, y2) in pairwise(corners):
        found.append(Box(x1, y1 - 1, x2, y1 + 1))
        found.append(Box(x2 - 1, min(y1, y2), x2 + 1, max(y1, y2)))
    return found


def _table(
    shown: Sequence[Record], up: Side, across: Side, best: Sequence[Record], standing: Standing
) -> tuple[list[str], list[list[str]]]:
    rows, edge = [], {r.cell.id for r in best}
    for record in shown:
        row = [standing.names[record.cell.id]]
        for one in (up, across):
            value = words.figure_value(one.figure, one.of(record) or 0.0)
            spread = words.bounds(one.figure, one.interval(record))
            row.append(f"{value} {spread}".strip())
        rows.append([*row, "yes" if record.cell.id in edge else "no"])
    return ["Cell", up.title, across.title, "On the frontier"], rows
