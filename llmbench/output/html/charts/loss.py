"""Loss curves: a line per row of the table, those whose losses coincide sharing one.

With several seeds the line is their mean, on a band from the least to the largest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from llmbench import text
from llmbench.analysis.standing import Standing
from llmbench.output.html.charts import canvas, draw
from llmbench.output.html.charts.canvas import Chart, Scale, chart, chosen, left_out
from llmbench.output.html.charts.scatter import LINE, spread
from llmbench.record.arm import Arm
from llmbench.record.record import Record
from llmbench.wording import phrases

MOST_POINTS = 150
"""Points of a line; longer runs are drawn as means over as many equal parts."""
COINCIDE = 0.004
"""Curves are one if they are never further apart than this share of the whole range."""


@dataclass(frozen=True)
class Point:
    """The loss at a step, steps counted from 1: the mean over the seeds, and its ends."""

    step: float
    loss: float
    low: float
    high: float


Curve = tuple[Point, ...]
Curves = Mapping[str, Curve]
"""By the id of the arm."""


def loss_curves(standing: Standing, pick: Arm | None) -> Chart | None:
    """The chart; None where no cell made two steps on data: random tokens teach nothing."""
    trained, shown = _trained(standing, pick)
    if not trained:
        return None
    curves = {arm.id: curve(arm) for arm in shown}
    low, high = _ends(curves)
    groups = _groups(shown, curves)
    room = (high - low or 1.0) * 0.05
    x = Scale("Step", 1, max(c[-1].step for c in curves.values()), "d")
    y = Scale("Training loss · \N{LEFTWARDS ARROW} less is better", low - room, high + room)
    count = text.plural(len(shown), phrases.row(standing))
    return chart(
        "loss",
        "Loss while training",
        f"Lines of the training loss of {count} over up to {x.high:.0f} steps.",
        _caption(shown, groups, standing) + left_out(trained, shown),
        _table(trained, standing),
        lambda: draw.curves(
            _lines(groups, curves, standing), _labels(groups, curves, standing, y), x, y
        ),
    )


def palette(standing: Standing, pick: Arm | None) -> dict[str, str]:
    """The colours of the rows here, by their ids, for other charts to have them in as well.

    Rows whose losses coincide share a line: all but the first of them get what colours are left.
    """
    _, shown = _trained(standing, pick)
    groups = _groups(shown, {arm.id: curve(arm) for arm in shown})
    ids = [*(g[0].id for g in groups), *(arm.id for g in groups for arm in g[1:])]
    return dict(zip(ids, canvas.SERIES, strict=False))


def _trained(standing: Standing, pick: Arm | None) -> tuple[list[Arm], list[Arm]]:
    """The rows that have losses of two steps, and those of them that are drawn."""
    found = [a for a in standing.arms if _steps(a) > 1 and a.cell.train_data.sha256]
    preferred = [*([pick] if pick else []), *standing.level(), *standing.competing]
    return found, chosen(found, preferred)


def _caption(shown: Sequence[Arm], groups: Sequence[Sequence[Arm]], standing: Standing) -> str:
    part = max(-(-len(arm.first.steps) // MOST_POINTS) for arm in shown)
    same = [
        f"{text.listed([standing.name(arm) for arm in g])} coincide" for g in groups if len(g) > 1
    ]
    seeds = any(len(arm.seeds) > 1 for arm in shown)
    return (
        "Loss of each training batch, as it was measured; all cells "
        + ("of a seed " if seeds else "")
        + "see the same batches."
        + (" Lines are means over the seeds, bands reach from least to largest." if seeds else "")
        + (f" Each point is the mean of {part} steps." if part > 1 else "")
        + (f" {'; '.join(same)}." if same else "")
    )


def curve(arm: Arm) -> Curve:
    """The losses over the seeds, as far as all of them got."""
    lines = [line for r in arm.counted if (line := _losses(r))]
    return tuple(
        Point(
            fmean(step for step, _ in points),
            fmean(loss for _, loss in points),
            min(loss for _, loss in points),
            max(loss for _, loss in points),
        )
        for points in zip(*lines, strict=False)
    )


def _steps(arm: Arm) -> int:
    """How far all its seeds got whose losses are numbers."""
    held = [sum(s.loss is not None for s in r.steps) for r in arm.counted]
    return min((count for count in held if count), default=0)


def _losses(record: Record) -> list[tuple[float, float]]:
    """Steps and the losses that are numbers, thinned to what a drawing can show."""
    points = [(float(n), s.loss) for n, s in enumerate(record.steps, 1) if s.loss is not None]
    part = -(-len(points) // MOST_POINTS)
    if part < 2:
        return points
    groups = [points[i : i + part] for i in range(0, len(points), part)]
    return [(fmean(n for n, _ in g), fmean(loss for _, loss in g)) for g in groups]


def _ends(curves: Curves) -> tuple[float, float]:
    """The least and the largest loss of all."""
    points = [p for c in curves.values() for p in c]
    return min(p.low for p in points), max(p.high for p in points)


def _groups(arms: Sequence[Arm], curves: Curves) -> list[list[Arm]]:
    """The arms, those together whose losses coincide."""
    if not arms:
        return []
    groups: list[list[Arm]] = []
    low, high = _ends(curves)
    tolerance = (high - low) * COINCIDE
    for arm in arms:
        own = curves[arm.id]
        for group in groups:
            other = curves[group[0].id]
            if len(own) == len(other) and all(
                abs(a.loss - b.loss) <= tolerance for a, b in zip(own, other, strict=True)
            ):
                group.append(arm)
                break
        else:
            groups.append([arm])
    return groups


def _lines(groups: Sequence[Sequence[Arm]], curves: Curves, standing: Standing) -> canvas.Data:
    found = []
    for series, group in enumerate(groups):
        names = ", ".join(standing.names[arm.id] for arm in group)
        points = curves[group[0].id]
        line = {
            "series": series,
            "colour": canvas.SERIES[series] if series < len(canvas.SERIES) else canvas.GRID,
            "strength": 2 if series < len(canvas.SERIES) else 1,
            "says": f"[{standing.numbers[group[0].id]}] {names}: "
            f"loss from {points[0].loss:.3f} to {points[-1].loss:.3f}",
        }
        banded = len(group[0].seeds) > 1 and series < len(canvas.SERIES)
        for p in points:
            ends = {"low": p.low, "high": p.high} if banded else {}
            found.append({"x": p.step, "y": p.loss, **ends, **line})
    return found


def _labels(
    groups: Sequence[Sequence[Arm]], curves: Curves, standing: Standing, y: Scale
) -> canvas.Data:
    """A label for each line that has a colour, in one column beside the end of the longest."""
    ends = [curves[g[0].id][-1] for g in groups]
    named = list(zip(groups, ends, canvas.SERIES, strict=False))
    wanted = [canvas.HEIGHT - y.pixels(end.loss, canvas.HEIGHT) for _, end, _ in named]
    placed = spread(wanted, LINE + 1, 6, canvas.HEIGHT - 6)
    last = max(end.step for end in ends)
    return [
        {
            "x": last,
            "y": y.value(canvas.HEIGHT - at, canvas.HEIGHT),
            "text": text.short(standing.names[group[0].id], 32)
            + (f" (+{len(group) - 1})" if len(group) > 1 else ""),
            "colour": colour,
        }
        for (group, _, colour), at in zip(named, placed, strict=True)
    ]


def _number(value: float | None) -> str:
    return text.DASH if value is None or not math.isfinite(value) else f"{value:.3f}"


def _at(arm: Arm, share: float) -> float | None:
    """The loss after a share of the steps, over the seeds."""
    held = [[s.loss for s in r.steps if s.loss is not None] for r in arm.counted]
    values = [losses[min(len(losses) - 1, int(share * len(losses)))] for losses in held if losses]
    return fmean(values) if values else None


def _table(arms: Sequence[Arm], standing: Standing) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            standing.names[arm.id],
            str(len(arm.first.steps)),
            *(_number(_at(arm, share)) for share in (0.0, 0.5, 1.0)),
            _number(arm.mean(lambda r: r.eval_loss)),
        ]
        for arm in arms
    ]
    return ["Cell", "Steps", "First step", "Halfway", "Last step", "On the references"], rows
