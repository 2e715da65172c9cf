"""Loss curves: a line per cell, cells whose losses coincide sharing one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from llmbench.record import Record
from llmbench.report import canvas, draw, words
from llmbench.report.canvas import Scale
from llmbench.report.chart import Chart, chart, chosen, left_out
from llmbench.report.place import LINE, spread
from llmbench.report.standing import Standing

MOST_POINTS = 150
"""Points of a line; longer runs are drawn as means over as many equal parts."""
COINCIDE = 0.004
"""Curves are one if they are never further apart than this share of the whole range."""

Curve = tuple[tuple[float, float], ...]
"""(step, loss), steps counted from 1."""


def loss_curves(standing: Standing, pick: Record | None) -> Chart | None:
    """The chart; None where no cell made two steps."""
    trained = [r for r in standing.records if len(curve(r)) > 1]
    if not trained:
        return None
    shown = chosen(trained, [*([pick] if pick else []), *standing.level(), *standing.competing])
    curves = {r.cell.id: curve(r) for r in shown}
    values = [loss for c in curves.values() for _, loss in c]
    low, high = min(values), max(values)
    groups = _groups(shown, curves, (high - low) * COINCIDE)
    room = (high - low or 1.0) * 0.05
    x = Scale("Step", 1, max(c[-1][0] for c in curves.values()), "d")
    y = Scale("Training loss · \N{LEFTWARDS ARROW} less is better", low - room, high + room)
    alike = [g for g in groups if len(g) > 1]
    same = [f"{words.listed([standing.name(r) for r in g])} coincide" for g in alike]
    thinned = any(len(r.steps) > MOST_POINTS for r in shown)
    caption = (
        "Loss of each training batch, as it was measured; all cells see the same batches."
        + (f" Each point is the mean of {_part(shown)} steps." if thinned else "")
        + (f" {'; '.join(same)}." if same else "")
        + left_out(trained, shown)
    )
    return chart(
        "loss",
        "Loss while training",
        f"Lines of the training loss of {len(shown)} cells over up to {x.high:.0f} steps.",
        caption,
        _table(trained, standing),
        lambda: draw.curves(
            _lines(groups, curves, standing), _labels(groups, curves, standing, y), x, y
        ),
    )


def curve(record: Record) -> Curve:
    """The losses that are numbers, thinned to what a drawing can show."""
    points = [(float(n), s.loss) for n, s in enumerate(record.steps, 1) if s.loss is not None]
    part = -(-len(points) // MOST_POINTS)
    if part < 2:
        return tuple(points)
    groups = [points[i : i + part] for i in range(0, len(points), part)]
    return tuple((fmean(n for n, _ in g), fmean(loss for _, loss in g)) for g in groups)


def _part(records: Sequence[Record]) -> int:
    return max(-(-len(r.steps) // MOST_POINTS) for r in records)


def _groups(
    records: Sequence[Record], curves: dict[str, Curve], tolerance: float
) -> list[list[Record]]:
    groups: list[list[Record]] = []
    for record in records:
        own = curves[record.cell.id]
        for group in groups:
            other = curves[group[0].cell.id]
            if len(own) == len(other) and all(
                abs(a[1] - b[1]) <= tolerance for a, b in zip(own, other, strict=True)
            ):
                group.append(record)
                break
        else:
            groups.append([record])
    return groups


def _lines(
    groups: Sequence[Sequence[Record]], curves: dict[str, Curve], standing: Standing
) -> canvas.Data:
    """The points of every line. As many lines have a colour as there are colours."""
    numbers = {r.cell.id: n for n, r in enumerate(standing.records, start=1)}
    found = []
    for series, group in enumerate(groups):
        names = ", ".join(standing.names[r.cell.id] for r in group)
        points = curves[group[0].cell.id]
        line = {
            "series": series,
            "colour": canvas.SERIES[series] if series < len(canvas.SERIES) else canvas.GRID,
            "strength": 2 if series < len(canvas.SERIES) else 1,
            "says": f"[{numbers[group[0].cell.id]}] {names}: loss from {points[0][1]:.3f} "
            f"to {points[-1][1]:.3f}",
        }
        found += [{"x": x, "y": y, **line} for x, y in points]
    return found


def _labels(
    groups: Sequence[Sequence[Record]], curves: dict[str, Curve], standing: Standing, y: Scale
) -> canvas.Data:
    """A label for each line that has a colour, in one column beside the end of the longest."""
    ends = [curves[g[0].cell.id][-1] for g in groups]
    named = list(zip(groups, ends, canvas.SERIES, strict=False))
    wanted = [canvas.HEIGHT - y.pixels(end[1], canvas.HEIGHT) for _, end, _ in named]
    placed = spread(wanted, LINE + 1, 6, canvas.HEIGHT - 6)
    last = max(end[0] for end in ends)
    return [
        {
            "x": last,
            "y": y.value(canvas.HEIGHT - at, canvas.HEIGHT),
            "text": words.short(standing.names[group[0].cell.id], 32)
            + (f" (+{len(group) - 1})" if len(group) > 1 else ""),
            "colour": colour,
        }
        for (group, _, colour), at in zip(named, placed, strict=True)
    ]


def _number(value: float | None) -> str:
    return words.DASH if value is None or not math.isfinite(value) else f"{value:.3f}"


def _table(records: Sequence[Record], standing: Standing) -> tuple[list[str], list[list[str]]]:
    rows = []
    for record in records:
        losses = [s.loss for s in record.steps if s.loss is not None]
        rows.append(
            [
                standing.names[record.cell.id],
                str(len(record.steps)),
                f"{losses[0]:.3f}",
                f"{losses[len(losses) // 2]:.3f}",
                f"{losses[-1]:.3f}",
                _number(record.eval_loss),
            ]
        )
    return ["Cell", "Steps", "First step", "Halfway", "Last step", "On the references"], rows
