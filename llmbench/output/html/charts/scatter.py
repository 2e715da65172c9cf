"""Quality against memory and against speed, with the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from llmbench.analysis import field
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.interval import Interval
from llmbench.output.html.charts.chart import Chart, bytes_unit, chart
from llmbench.output.html.charts.plot import (
    ARROWS,
    CHARACTER,
    GAP,
    LINE,
    Plot,
    Says,
    Scale,
    Spot,
    prefixed,
)
from llmbench.output.methods import summary_figures
from llmbench.output.table import Table, plain
from llmbench.record.figure import BY_ID, Figure
from llmbench.record.variant import Variant
from llmbench.text import listed, plural
from llmbench.wording import figures, phrases
from llmbench.wording.labels import short_names

MEMORY = BY_ID["peak_memory_bytes"]


@dataclass(frozen=True)
class Axis:
    """One of the two figures of a scatter."""

    figure: Figure
    of: Callable[[Variant], float | None]
    interval: Callable[[Variant], Interval | None]
    better: str
    title: str
    factor: float = 1.0
    """What a value is divided by for the axis."""

    def scaled(self, variant: Variant) -> float:
        """The value on the axis."""
        return (self.of(variant) or 0.0) / self.factor

    def bounds(self, variant: Variant) -> tuple[float, float] | None:
        """The interval on the axis."""
        interval = self.interval(variant)
        if interval is None or interval.low == interval.high:
            return None
        low, high = figures.within(self.figure, interval)
        return low / self.factor, high / self.factor


def scale(axis: Axis, variants: Sequence[Variant], zero: bool) -> Scale:
    """The drawing's scale for an axis, with a little room."""
    values = [axis.scaled(variant) for variant in variants]
    values += [b for variant in variants for b in axis.bounds(variant) or ()]
    low, high = (0.0 if zero else min(values)), max(values)
    room = (high - low or abs(high) or 1.0) * 0.08
    title = f"{axis.title}{_unit(axis)} · {ARROWS[axis.better]}"
    return Scale(title, low if zero else low - room, high + room, _ticks(axis, high - low))


def _ticks(axis: Axis, span: float) -> Callable[[float], str]:
    if axis.figure.scored:
        digits = 1 if span > 1 else 2 if span > 0.06 else 3
        return f"{{:.{digits}f}}".format
    return prefixed


def _unit(axis: Axis) -> str:
    if axis.figure.unit == "bytes":
        return f", {bytes_unit(axis.factor)[0]}"
    return ", tokens/s" if axis.figure.unit == "tokens/s" else ""


def quality_axis(standing: Standing, score: Figure) -> Axis:
    """Quality as an axis."""
    return Axis(
        score,
        standing.quality_of,
        lambda variant: standing.quality.get(variant.id),
        "lower" if score.sign < 0 else "higher",
        score.label,
    )


def speed_axis(standing: Standing) -> Axis:
    """Training speed as an axis."""
    return Axis(
        field.SPEED,
        field.speed,
        lambda variant: standing.speed.get(variant.id),
        "higher",
        "Training speed",
    )


def memory_axis(standing: Standing) -> Axis:
    """Peak memory as an axis, in the unit that suits the largest."""
    largest = max(field.memory(variant) or 0.0 for variant in standing.competing)
    return Axis(
        MEMORY,
        field.memory,
        lambda variant: standing.memory.get(variant.id),
        "lower",
        standing.memory_label,
        bytes_unit(largest)[1],
    )


class Label(NamedTuple):
    """A label's place: the middle of its left or right edge, as `anchor` says."""

    x: float
    y: float
    anchor: str


SHIFTS = (0, -12, 12, -24, 24, -38, 38, -52, 52, -66, 66)
"""How far up or down a label may move to find room, the nearest first; as in `report.js`."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def place(points: Sequence[Spot], texts: Sequence[str], plot: Plot) -> dict[int, Label]:
    """A place for each text beside its point, by the point's number, that covers no point and no
    other text; empty texts have none, nor has one that finds no room.
    """
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    labels = {}
    for i in sorted((i for i, text in enumerate(texts) if text), key=lambda i: points[i][1]):
        for label, box in _candidates(points[i], texts[i]):
            if _within(box, plot) and not any(_overlap(box, other) for other in taken):
                labels[i] = label
                taken.append(box)
                break
    return labels


def _candidates(point: Spot, text: str) -> Iterator[tuple[Label, Box]]:
    length = CHARACTER * len(text)
    for y in (point[1] + shift for shift in SHIFTS):
        for anchor, near in (("start", point[0] + GAP), ("end", point[0] - GAP)):
            left = near if anchor == "start" else near - length
            yield Label(near, y, anchor), (left, y - LINE / 2, left + length, y + LINE / 2)


def _within(box: Box, plot: Plot) -> bool:
    left, top, right, bottom = box
    across = left >= plot.left and right <= plot.right + GAP
    return across and top >= plot.top - GAP and bottom <= plot.bottom


def _overlap(one: Box, other: Box) -> bool:
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]


LABELS = 14
"""Points that get a label; of more, those on the frontier do."""
MOST_POINTS = 300


def scatters(standing: Standing, pick: Variant | None) -> Iterator[Chart]:
    """The charts of what is traded for what; none where fewer than two rows can be shown."""
    shown = standing.competing
    if len(shown) < 2:
        return
    memory, rate = memory_axis(standing), speed_axis(standing)
    if standing.score:
        quality = quality_axis(standing, standing.score)
        yield _scatter("quality-memory", quality, memory, standing, pick)
        if standing.timed:
            yield _scatter("quality-speed", quality, rate, standing, pick)
    elif standing.timed:
        yield _scatter("speed-memory", rate, memory, standing, pick)


def frontier(variants: Sequence[Variant], up: Axis, across: Axis) -> list[Variant]:
    """The Pareto front of two figures, along the x axis."""
    sign_x = 1 if across.better == "higher" else -1
    sign_y = 1 if up.better == "higher" else -1
    ranked = sorted(variants, key=lambda a: (-sign_x * across.scaled(a), -sign_y * up.scaled(a)))
    front: list[Variant] = []
    for variant in ranked:
        if not front or sign_y * up.scaled(variant) > sign_y * up.scaled(front[-1]):
            front.append(variant)
    return sorted(front, key=across.scaled)


def _scatter(name: str, up: Axis, across: Axis, standing: Standing, pick: Variant | None) -> Chart:
    shown = standing.competing[:MOST_POINTS]
    best = frontier(shown, up, across)
    named = listed([standing.name(a) for a in best], 10)
    caption = (
        f"Filled: on the Pareto front, where no other {phrases.row(standing)} is better on both "
        f"figures ({named}). Lines are 95 % intervals."
        + (" The pick is in colour." if pick else "")
        + (
            f" {len(standing.competing) - len(shown):,} more are in the table only."
            if len(standing.competing) > len(shown)
            else ""
        )
    )
    return chart(
        name,
        f"{up.title} against {_lowered(across.title)}",
        f"Scatter of {plural(len(shown), phrases.row(standing))}. On the Pareto front: "
        f"{', '.join(standing.names[a.id] for a in best[:20])}.",
        caption,
        _table(shown, up, across, best, standing),
        lambda: _draw(shown, (up, across), best, standing, pick),
    )


def _labelled(
    shown: Sequence[Variant], best: Sequence[Variant], standing: Standing, pick: Variant | None
) -> list[str]:
    """A label for each point or, where those are too many, for the front and the pick."""
    some = [*best[:LABELS], *([pick] if pick else [])]
    short = short_names(standing)
    return [short[a.id] if len(shown) <= LABELS or a in some else "" for a in shown]


def _draw(
    shown: Sequence[Variant],
    axes: tuple[Axis, Axis],
    best: Sequence[Variant],
    standing: Standing,
    pick: Variant | None,
) -> Plot:
    up, across = axes
    y = scale(up, shown, zero=standing.score is None)
    plot = Plot(scale(across, shown, zero=True), y)
    plot.axes()
    points = [plot.at(across.scaled(variant), up.scaled(variant)) for variant in shown]
    if len(shown) <= 2 * LABELS:
        _intervals(plot, shown, axes, points)
    edge = [points[shown.index(variant)] for variant in best]
    steps = [corner for one, two in pairwise(edge) for corner in (one, (two[0], one[1]))]
    if steps:
        plot.line([*steps, edge[-1]], "soft", 1.5, "3 3")
    texts = _labelled(shown, best, standing, pick)
    labels = place(points, texts, plot)
    for i, label in labels.items():
        if abs(label.y - points[i][1]) > LINE:
            plot.rule(points[i], (label.x, label.y), "soft")
    for i, variant in enumerate(shown):
        colour = "accent" if variant is pick else "ink" if variant in best else "muted"
        said = f"{standing.names[variant.id]}: {summary_figures(variant, standing)}"
        fill = colour if variant is pick or variant in best else "page"
        says = Says(standing.numbers[variant.id], said)
        plot.dot(points[i], fill, colour, says=says)
        if i in labels:
            label = labels[i]
            ink = "accent" if variant is pick else "ink"
            plot.text((label.x, label.y + 4), texts[i], ink, label.anchor)
    return plot


def _intervals(
    plot: Plot, shown: Sequence[Variant], axes: tuple[Axis, Axis], points: Sequence[Spot]
) -> None:
    up, across = axes
    for variant, (x, y) in zip(shown, points, strict=True):
        if ends := up.bounds(variant):
            plot.rule((x, plot.y(ends[0])), (x, plot.y(ends[1])), "soft", 1.5)
        if ends := across.bounds(variant):
            plot.rule((plot.x(ends[0]), y), (plot.x(ends[1]), y), "soft", 1.5)


def _table(
    shown: Sequence[Variant], up: Axis, across: Axis, best: Sequence[Variant], standing: Standing
) -> Table:
    rows, edge = [], {a.id for a in best}
    for variant in shown:
        row = [standing.names[variant.id]]
        for one in (up, across):
            value = figures.figure_value(one.figure, one.of(variant) or 0.0)
            interval = figures.bounds(one.figure, one.interval(variant))
            row.append(f"{value} {interval}".strip())
        rows.append([*row, "yes" if variant.id in edge else "no"])
    header = ["Method", up.title, across.title, "On the front"]
    return plain(f"{up.title} against {across.title}", header, rows)


def _lowered(title: str) -> str:
    """The title within a sentence: `RAM used` stays as it is."""
    return title if title[1:2].isupper() else title[0].lower() + title[1:]
