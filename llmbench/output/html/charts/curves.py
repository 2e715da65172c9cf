"""Lines of losses: while training, and on validation examples over time and over tokens.

With several seeds a line is their mean, on a band from the least to the largest. Rows whose
training losses coincide share a line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from llmbench import text, units
from llmbench.analysis.learning import targets
from llmbench.analysis.standing import Standing
from llmbench.output.html.charts.chart import Chart, chart, chosen, left_out
from llmbench.output.html.charts.plot import (
    BESIDE,
    SERIES,
    Plot,
    Says,
    Scale,
    Stop,
    ceiling,
    prefixed,
)
from llmbench.output.table import Table, plain
from llmbench.record.figure import SHARE
from llmbench.record.record import Record, Validation
from llmbench.record.variant import Variant
from llmbench.wording import phrases
from llmbench.wording.labels import short_names

LESS = "less is better"
MOST_POINTS = 150
"""Points of a line; longer runs are drawn as means over as many equal parts."""
COINCIDE = 0.004
"""Curves are one if they are never further apart than this share of the whole range."""


Curve = tuple[Stop, ...]
"""The loss at each step, steps counted from 1: the mean over the seeds, and its ends."""
Curves = Mapping[str, Curve]
"""By the id of the variant."""


def loss_curves(standing: Standing, pick: Variant | None) -> Chart | None:
    """The chart; None where no cell made two steps on data: random tokens teach nothing."""
    trained, shown = _trained(standing, pick)
    if not trained:
        return None
    curves = {variant.id: curve(variant) for variant in shown}
    groups = _groups(shown, curves)
    count = text.plural(len(shown), phrases.row(standing))
    last = max(c[-1].x for c in curves.values())
    return chart(
        "loss",
        "Loss while training",
        f"Lines of the training loss of {count} over up to {last:.0f} steps.",
        _caption(shown, groups, standing) + left_out(trained, shown),
        _table(trained, standing),
        lambda: _draw(groups, curves, standing),
    )


def palette(standing: Standing, pick: Variant | None) -> dict[str, str]:
    """The colours of the rows here, by their ids, for other charts to have them in as well.

    Rows whose losses coincide share a line: all but the first of them get what colours are left.
    """
    _, shown = _trained(standing, pick)
    groups = _groups(shown, {variant.id: curve(variant) for variant in shown})
    ids = [*(g[0].id for g in groups), *(variant.id for g in groups for variant in g[1:])]
    return dict(zip(ids, SERIES, strict=False))


def _trained(standing: Standing, pick: Variant | None) -> tuple[list[Variant], list[Variant]]:
    """The rows that have losses of two steps, and those of them that are drawn."""
    trained = [a for a in standing.variants if _steps(a) > 1 and a.cell.train_data.sha256]
    preferred = [*([pick] if pick else []), *standing.level(), *standing.competing]
    return trained, chosen(trained, preferred)


def _caption(
    shown: Sequence[Variant], groups: Sequence[Sequence[Variant]], standing: Standing
) -> str:
    merged = max(-(-len(variant.first.steps) // MOST_POINTS) for variant in shown)
    same = [
        f"{text.listed([standing.name(variant) for variant in g])} coincide"
        for g in groups
        if len(g) > 1
    ]
    seeds = any(len(variant.seeds) > 1 for variant in shown)
    return (
        "Loss of each training batch, as it was measured; all runs "
        + ("of a seed " if seeds else "")
        + "see the same batches."
        + (" Lines are means over the seeds, bands reach from least to largest." if seeds else "")
        + (f" Each point is the mean of {merged} steps." if merged > 1 else "")
        + (f" {'; '.join(same)}." if same else "")
    )


def curve(variant: Variant) -> Curve:
    """The losses over the seeds, as far as all of them got."""
    lines = [line for r in variant.counted if (line := _losses(r))]
    return tuple(
        Stop(
            fmean(step for step, _ in points),
            fmean(loss for _, loss in points),
            min(loss for _, loss in points),
            max(loss for _, loss in points),
        )
        for points in zip(*lines, strict=False)
    )


def _steps(variant: Variant) -> int:
    """How far all its seeds got whose losses are numbers."""
    counts = [sum(s.loss is not None for s in r.steps) for r in variant.counted]
    return min((count for count in counts if count), default=0)


def _losses(record: Record) -> list[tuple[float, float]]:
    """Steps and the losses that are numbers, thinned to what a drawing can show."""
    points = [(float(n), s.loss) for n, s in enumerate(record.steps, 1) if s.loss is not None]
    merged = -(-len(points) // MOST_POINTS)
    if merged < 2:
        return points
    groups = [points[i : i + merged] for i in range(0, len(points), merged)]
    return [(fmean(n for n, _ in g), fmean(loss for _, loss in g)) for g in groups]


def _ends(curves: Curves) -> tuple[float, float]:
    """The least and the largest loss of all."""
    points = [p for c in curves.values() for p in c]
    return min(p.low or p.y for p in points), max(p.high or p.y for p in points)


def _groups(variants: Sequence[Variant], curves: Curves) -> list[list[Variant]]:
    """The variants, those together whose losses coincide."""
    if not variants:
        return []
    groups: list[list[Variant]] = []
    low, high = _ends(curves)
    tolerance = (high - low) * COINCIDE
    for variant in variants:
        own = curves[variant.id]
        for group in groups:
            other = curves[group[0].id]
            if len(own) == len(other) and all(
                abs(a.y - b.y) <= tolerance for a, b in zip(own, other, strict=True)
            ):
                group.append(variant)
                break
        else:
            groups.append([variant])
    return groups


def _draw(groups: Sequence[Sequence[Variant]], curves: Curves, standing: Standing) -> Plot:
    """A line for each group; as many as there are colours have one, and a label."""
    low, high = _ends(curves)
    room = (high - low or 1.0) * 0.05
    x = Scale("Step", 1, max(c[-1].x for c in curves.values()))
    plot = Plot(x, Scale(f"Training loss · {LESS}", low - room, high + room), right=BESIDE)
    plot.axes()
    beside, short = [], short_names(standing)
    for number, group in reversed(list(enumerate(groups))):
        first, coloured = group[0], number < len(SERIES)
        points = curves[first.id]
        names = ", ".join(standing.names[variant.id] for variant in group)
        said = f"{names}: loss from {points[0].y:.3f} to {points[-1].y:.3f}"
        banded = len(first.seeds) > 1 and coloured
        stops = points if banded else [Stop(p.x, p.y) for p in points]
        colour = SERIES[number] if coloured else "soft"
        plot.curve(stops, colour, coloured, Says(standing.numbers[first.id], said))
        if coloured:
            more = f" (+{len(group) - 1})" if len(group) > 1 else ""
            label = f"{short[first.id]}{more}"
            beside.append((plot.y(points[-1].y), label, colour))
    plot.beside(beside)
    return plot


def _number(value: float | None) -> str:
    return text.DASH if value is None or not math.isfinite(value) else f"{value:.3f}"


def _at(variant: Variant, share: float) -> float | None:
    """The loss after a share of the steps, over the seeds."""
    per_seed = [[s.loss for s in r.steps if s.loss is not None] for r in variant.counted]
    values = [
        losses[min(len(losses) - 1, int(share * len(losses)))] for losses in per_seed if losses
    ]
    return fmean(values) if values else None


def _table(variants: Sequence[Variant], standing: Standing) -> Table:
    rows = [
        [
            standing.names[variant.id],
            str(len(variant.first.steps)),
            *(_number(_at(variant, share)) for share in (0.0, 0.5, 1.0)),
            _number(variant.mean(lambda r: r.eval_loss)),
        ]
        for variant in variants
    ]
    header = ["Method", "Steps", "First step", "Halfway", "Last step", "On the references"]
    return plain("Loss while training", header, rows)


UNITS = (("s", 1, 600), ("min", 60, 36_000), ("h", 3600, math.inf))
"""Units of time: how many seconds each is, and up to how many it is used."""


@dataclass(frozen=True)
class Checked:
    """One validation: means over the seeds, and the ends of the loss."""

    seconds: float
    tokens: float
    loss: float
    low: float
    high: float


Validations = Mapping[Variant, Sequence[Checked]]
Across = tuple[Scale, Callable[[Checked], float]]
"""A measure of how far training was: its axis, and where a validation is on it."""


def learning_curves(standing: Standing, pick: Variant | None) -> Chart | None:
    """The chart; None where no cell's validation loss was measured twice."""
    known = {
        variant: points for variant in standing.variants if len(points := validations(variant)) > 1
    }
    if not known:
        return None
    variants = tuple(known)
    shown = chosen(variants, [*([pick] if pick else []), *standing.level(), *standing.competing])
    curves = {variant: known[variant] for variant in shown}
    goal = _goal(curves, standing)
    y = _loss_axis(curves, goal)
    unit, seconds = _unit(max(points[-1].seconds for points in curves.values()))
    time = _across(f"Training time, {unit}", curves, lambda p: p.seconds / seconds)
    tokens = _across("Tokens trained on, padding left out", curves, lambda p: p.tokens)
    colours = palette(standing, pick)
    return chart(
        "learning",
        "Learning",
        f"Lines of the validation loss of {text.plural(len(shown), phrases.row(standing))}, over "
        "training time and over tokens.",
        " ".join(_told_of(curves, goal, y, standing)) + left_out(variants, shown),
        _learnt(known, standing),
        lambda: _trace(curves, colours, (time, y, goal), standing),
        lambda: _trace(curves, colours, (tokens, y, goal), standing),
    )


def validations(variant: Variant) -> tuple[Checked, ...]:
    """The validations that all its seeds have, in the order of their steps."""
    per_seed = [{v.step: v for v in r.validation if v.loss is not None} for r in variant.counted]
    validated = [by_step for by_step in per_seed if len(by_step) > 1]
    steps = set.intersection(*map(set, validated)) if validated else set()
    return tuple(_checked([by_step[step] for by_step in validated]) for step in sorted(steps))


def _checked(validations: Sequence[Validation]) -> Checked:
    losses = [v.loss or 0.0 for v in validations]
    return Checked(
        fmean(v.train_seconds for v in validations),
        fmean(v.tokens for v in validations),
        fmean(losses),
        min(losses),
        max(losses),
    )


def _loss_axis(curves: Validations, goal: float | None) -> Scale:
    """The axis of losses; a line that rises far above where all began leaves it."""
    values = [v for points in curves.values() for p in points for v in (p.low, p.high)]
    high = ceiling(values, max(points[0].high for points in curves.values()))
    low = min([*values, *([] if goal is None else [goal])])
    room = (high - low or 1.0) * 0.05
    return Scale(f"Validation loss · {LESS}", low - room, high + room)


def _across(title: str, curves: Validations, of: Callable[[Checked], float]) -> Across:
    return Scale(title, 0, max(of(ps[-1]) for ps in curves.values()) or 1.0, prefixed), of


def _unit(longest: float) -> tuple[str, int]:
    """The unit for an axis of so many seconds, and how many seconds it is."""
    return next((unit, seconds) for unit, seconds, most in UNITS if longest <= most)


def _goal(curves: Validations, standing: Standing) -> float | None:
    """The loss that counts as quality reached, where it is one for all."""
    goals = targets(standing.records)
    losses = {goals[r.cell.id] for variant in curves for r in variant.records if r.cell.id in goals}
    return losses.pop() if len(losses) == 1 else None


def _told_of(
    curves: Validations, goal: float | None, y: Scale, standing: Standing
) -> Iterator[str]:
    data = dict.fromkeys(variant.cell.validation_data for variant in curves)
    sources = [
        f"{text.plural(d.examples, 'example')} ({text.code(d.name)})" for d in data if d
    ] or ["examples"]
    yield (
        f"Loss on {text.listed(sources)}, which are neither trained on nor evaluated. No clock "
        "runs while it is measured: the time is that of the training steps alone."
    )
    if any(len(variant.seeds) > 1 for variant in curves):
        yield "Lines are means over the seeds, bands reach from least to largest."
    if goal is not None:
        yield (
            f"The dashed line counts as quality reached: {units.percent(SHARE, 1)} of the way from "
            "the untrained model's loss to the lowest."
        )
    gone = [
        standing.name(a) for a, points in curves.items() if max(p.loss for p in points) > y.high
    ]
    if gone:
        leave = "leaves" if len(gone) == 1 else "leave"
        yield f"{text.listed(gone)} {leave} the chart at the top."


def _trace(
    curves: Validations,
    colours: Mapping[str, str],
    axes: tuple[Across, Scale, float | None],
    standing: Standing,
) -> Plot:
    """The lines over one measure, as far as they have a place on the axis of losses."""
    (x, of), y, goal = axes
    plot = Plot(x, y, right=BESIDE)
    plot.axes()
    beside, short = [], short_names(standing)
    if goal is not None:
        plot.rule((plot.left, plot.y(goal)), (plot.right, plot.y(goal)), "muted", 1.5, "4 3")
        plot.text((plot.right, plot.y(goal) - 4), "quality reached", "muted", "end")
    for variant, points in curves.items():
        name, coloured = standing.names[variant.id], variant.id in colours
        banded = coloured and len(variant.seeds) > 1
        stops = [
            Stop(of(p), p.loss, *((p.low, min(p.high, y.high)) if banded else ()))
            for p in points
            if p.loss <= y.high
        ]
        said = (
            f"{name}: validation loss from {points[0].loss:.3f} to {points[-1].loss:.3f} in "
            f"{units.seconds(points[-1].seconds)}"
        )
        says = Says(standing.numbers[variant.id], said)
        plot.curve(stops, colours.get(variant.id, "soft"), coloured, says, dots=True)
        if coloured:
            end = plot.y(min(points[-1].loss, y.high))
            beside.append((end, short[variant.id], colours[variant.id]))
    plot.beside(beside)
    return plot


def _learnt(known: Validations, standing: Standing) -> Table:
    rows = [
        [
            standing.names[variant.id],
            str(len(points)),
            *(f"{value:.3f}" for value in _told([p.loss for p in points])),
            units.seconds(points[-1].seconds),
            f"{points[-1].tokens:,.0f}",
        ]
        for variant, points in known.items()
    ]
    header = ["Method", "Measured", "Before training", "Lowest", "Last", "Training time", "Tokens"]
    return plain("Learning", header, rows)


def _told(losses: Sequence[float]) -> tuple[float, float, float]:
    return losses[0], min(losses), losses[-1]
