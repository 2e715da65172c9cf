"""Learning curves: validation loss against training time, and against tokens trained on.

With several seeds a line is their mean, on a band from the least to the largest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from llmbench import text
from llmbench.analysis.learning import targets
from llmbench.analysis.standing import Standing
from llmbench.output.html.charts import canvas, trace
from llmbench.output.html.charts import loss as loss_
from llmbench.output.html.charts.canvas import Chart, Scale, chart, chosen, left_out
from llmbench.output.html.charts.scatter import LINE, spread
from llmbench.record.arm import Arm
from llmbench.record.figure import SHARE
from llmbench.record.record import Validation
from llmbench.wording import phrases

UNITS = (("s", 1, 600), ("min", 60, 36_000), ("h", 3600, math.inf))
"""Units of time: how many seconds each is, and up to how many it is used."""


@dataclass(frozen=True)
class Point:
    """One validation: means over the seeds, and the ends of the loss."""

    seconds: float
    tokens: float
    loss: float
    low: float
    high: float


Curves = Mapping[Arm, Sequence[Point]]


def learning_curves(standing: Standing, pick: Arm | None) -> Chart | None:
    """The chart; None where no cell's validation loss was measured twice."""
    known = {arm: points for arm in standing.arms if len(points := curve(arm)) > 1}
    if not known:
        return None
    arms = tuple(known)
    shown = chosen(arms, [*([pick] if pick else []), *standing.level(), *standing.competing])
    curves = {arm: known[arm] for arm in shown}
    goal = _goal(curves, standing)
    y = _losses(curves, goal)
    unit, seconds = _unit(max(points[-1].seconds for points in curves.values()))
    across = (
        ("seconds", _across(f"Training time, {unit}", curves, lambda p: p.seconds / seconds)),
        ("tokens", _across("Tokens trained on, padding left out", curves, lambda p: p.tokens)),
    )
    colours = loss_.palette(standing, pick)
    return chart(
        "learning",
        "Learning",
        f"Lines of the validation loss of {text.plural(len(shown), phrases.row(standing))}, over "
        "training time and over tokens.",
        " ".join(_caption(curves, goal, y, standing)) + left_out(arms, shown),
        _table(known, standing),
        lambda: trace.panels(
            list(_lines(curves, colours, (seconds, y), standing)),
            _labels(curves, colours, y, standing),
            [] if goal is None else [{"y": goal, "text": "quality reached"}],
            across,
            y,
        ),
    )


def curve(arm: Arm) -> tuple[Point, ...]:
    """The validations that all its seeds have, in the order of their steps."""
    held = [{v.step: v for v in r.validation if v.loss is not None} for r in arm.counted]
    able = [found for found in held if len(found) > 1]
    steps = set.intersection(*map(set, able)) if able else set()
    return tuple(_point([found[step] for found in able]) for step in sorted(steps))


def _point(held: Sequence[Validation]) -> Point:
    losses = [v.loss or 0.0 for v in held]
    return Point(
        fmean(v.train_seconds for v in held),
        fmean(v.tokens for v in held),
        fmean(losses),
        min(losses),
        max(losses),
    )


def _losses(curves: Curves, goal: float | None) -> Scale:
    """The axis of losses; a line that rises far above where all began leaves it."""
    values = [v for points in curves.values() for p in points for v in (p.low, p.high)]
    high = canvas.ceiling(values, max(points[0].high for points in curves.values()))
    low = min([*values, *([] if goal is None else [goal])])
    room = (high - low or 1.0) * 0.05
    return Scale("Validation loss · \N{LEFTWARDS ARROW} less is better", low - room, high + room)


def _across(title: str, curves: Curves, of: Callable[[Point], float]) -> Scale:
    return Scale(title, 0, max(of(points[-1]) for points in curves.values()) or 1.0, "~s")


def _unit(longest: float) -> tuple[str, int]:
    """The unit for an axis of so many seconds, and how many seconds it is."""
    return next((unit, seconds) for unit, seconds, most in UNITS if longest <= most)


def _goal(curves: Curves, standing: Standing) -> float | None:
    """The loss that counts as quality reached, where it is one for all."""
    found = targets(standing.records)
    losses = {found[r.cell.id] for arm in curves for r in arm.records if r.cell.id in found}
    return losses.pop() if len(losses) == 1 else None


def _caption(curves: Curves, goal: float | None, y: Scale, standing: Standing) -> Iterator[str]:
    data = dict.fromkeys(arm.cell.validation_data for arm in curves)
    sources = [
        f"{text.plural(d.examples, 'example')} ({text.code(d.name)})" for d in data if d
    ] or ["examples"]
    yield (
        f"Loss on {text.listed(sources)}, which are neither trained on nor evaluated. No clock "
        "runs while it is measured: the time is that of the training steps alone."
    )
    if any(len(arm.seeds) > 1 for arm in curves):
        yield "Lines are means over the seeds, bands reach from least to largest."
    if goal is not None:
        yield (
            f"The dashed line counts as quality reached: {text.percent(SHARE, 1)} of the way from "
            "the untrained model's loss to the lowest."
        )
    gone = [
        standing.name(a) for a, points in curves.items() if max(p.loss for p in points) > y.high
    ]
    if gone:
        leave = "leaves" if len(gone) == 1 else "leave"
        yield f"{text.listed(gone)} {leave} the chart at the top."


def _lines(
    curves: Curves, colours: Mapping[str, str], scales: tuple[float, Scale], standing: Standing
) -> Iterator[canvas.Datum]:
    """The points of each line that have a place on the axis."""
    seconds, y = scales
    for series, (arm, points) in enumerate(curves.items()):
        coloured = arm.id in colours
        line = {
            "series": series,
            "colour": colours.get(arm.id, canvas.SOFT),
            "strength": 2 if coloured else 1,
            "says": f"[{standing.numbers[arm.id]}] {standing.names[arm.id]}: validation loss from "
            f"{points[0].loss:.3f} to {points[-1].loss:.3f} in {text.seconds(points[-1].seconds)}",
        }
        banded = coloured and len(arm.seeds) > 1
        for p in (p for p in points if p.loss <= y.high):
            ends = {"low": p.low, "high": min(p.high, y.high)} if banded else {}
            yield {"seconds": p.seconds / seconds, "tokens": p.tokens, "y": p.loss, **ends, **line}


def _labels(
    curves: Curves, colours: Mapping[str, str], y: Scale, standing: Standing
) -> canvas.Data:
    """A label for each line that has a colour, as near its end as the others let it."""
    named = [arm for arm in curves if arm.id in colours]
    wanted = [
        canvas.HEIGHT - y.pixels(min(curves[arm][-1].loss, y.high), canvas.HEIGHT) for arm in named
    ]
    placed = spread(wanted, LINE + 1, 6, canvas.HEIGHT - 6)
    return [
        {
            "y": y.value(canvas.HEIGHT - at, canvas.HEIGHT),
            "text": text.short(standing.names[arm.id], 32),
            "colour": colours[arm.id],
        }
        for arm, at in zip(named, placed, strict=True)
    ]


def _table(known: Curves, standing: Standing) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            standing.names[arm.id],
            str(len(points)),
            *(f"{value:.3f}" for value in _told([p.loss for p in points])),
            text.seconds(points[-1].seconds),
            f"{points[-1].tokens:,.0f}",
        ]
        for arm, points in known.items()
    ]
    header = ["Cell", "Measured", "Before training", "Lowest", "Last", "Training time", "Tokens"]
    return header, rows


def _told(losses: Sequence[float]) -> tuple[float, float, float]:
    return losses[0], min(losses), losses[-1]
