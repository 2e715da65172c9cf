"""Quality against memory and against speed, with the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    """The axis for a side, with a little room."""
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
    """Quality as a side."""
    return Axis(
        score,
        standing.quality_of,
        lambda variant: standing.quality.get(variant.id),
        "lower" if score.sign < 0 else "higher",
        score.label,
    )


def speed_axis(standing: Standing) -> Axis:
    """Training speed as a side."""
    return Axis(
        field.SPEED,
        field.speed,
        lambda variant: standing.speed.get(variant.id),
        "higher",
        "Training speed",
    )


def memory_axis(standing: Standing) -> Axis:
    """Peak memory as a side, in the unit that suits the largest."""
    largest = max(field.memory(variant) or 0.0 for variant in standing.competing)
    return Axis(
        MEMORY,
        field.memory,
        lambda variant: standing.memory.get(variant.id),
        "lower",
        standing.memory_label,
        bytes_unit(largest)[1],
    )


CROWD = 60
"""Points beyond which labels only keep clear of points that have labels."""
REACH = (0, 15, 30, 45, 60, 76)
"""How far up or down a label may move to find room."""


@dataclass(frozen=True)
class Box:
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0.0

    def outside(self, frame: Box) -> float:
        """How far it sticks out of another."""
        beyond = (
            frame.left - self.left,
            frame.top - self.top,
            self.right - frame.right,
            self.bottom - frame.bottom,
        )
        return sum(max(0.0, b) for b in beyond)


@dataclass(frozen=True)
class Label:
    """A label's place: the middle of its left or right edge, as `anchor` says."""

    x: float
    y: float
    anchor: str
    moved: bool
    """Whether it is so far from its point that a line should lead there."""


def place(
    points: Sequence[Spot],
    texts: Sequence[str],
    frame: tuple[float, float, float, float],
    steps: Sequence[Spot] = (),
) -> list[Label]:
    """A place for each label; points with an empty text get one that nothing is drawn at.

    `frame` is left, top, right and bottom; a label had better not lie on the line of `steps`.

    Greedy, the crowded first: each takes the cheapest of its candidate places, given what is
    already there. Good enough for the dozen labels that a chart has.
    """
    dots = [Box(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    if len(dots) > CROWD:  # a label lies on some point wherever it is: mind those with labels
        dots = [dot for dot, text in zip(dots, texts, strict=True) if text]
    lines = [
        Box(min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2) + 1, max(y1, y2) + 1)
        for (x1, y1), (x2, y2) in pairwise(steps)
    ]
    covered = [*dots, *lines]
    taken: list[Box] = []
    labels: dict[int, Label] = {}
    for index in sorted(range(len(points)), key=lambda i: (points[i][1], points[i][0])):
        if not texts[index]:
            labels[index] = Label(*points[index], "start", False)
            continue
        candidates = list(_candidates(points[index], texts[index]))
        costs = [
            _cost(box, order, taken, covered, Box(*frame))
            for order, (_, box) in enumerate(candidates)
        ]
        label, box = candidates[costs.index(min(costs))]
        taken.append(box)
        labels[index] = label
    return [labels[i] for i in range(len(points))]


def _candidates(point: Spot, text: str) -> Iterator[tuple[Label, Box]]:
    x, y = point
    length = CHARACTER * len(text)
    for reach in REACH:
        for shift in {reach, -reach}:
            for anchor in ("start", "end"):
                near = x + GAP if anchor == "start" else x - GAP
                left = near if anchor == "start" else near - length
                box = Box(left, y + shift - LINE / 2, left + length, y + shift + LINE / 2)
                yield Label(near, y + shift, anchor, reach > LINE), box
        if reach:  # above and below the point itself
            for shift in (-reach, reach):
                left = x - length / 2
                box = Box(left, y + shift - LINE / 2, left + length, y + shift + LINE / 2)
                yield Label(left, y + shift, "start", reach > LINE), box


def _cost(box: Box, order: int, taken: Sequence[Box], covered: Sequence[Box], frame: Box) -> float:
    crossed = sum(box.overlap(other) for other in taken) * 4
    hidden = sum(box.overlap(other) for other in covered)
    return crossed + hidden + 100 * box.outside(frame) + 2 * order


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
        + (" The accent marks the pick." if pick else "")
        + (
            f" {len(standing.competing) - len(shown):,} more are in the table only."
            if len(standing.competing) > len(shown)
            else ""
        )
    )
    return chart(
        name,
        f"{up.title} against {across.title[0].lower()}{across.title[1:]}",
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
    spots = {variant.id: plot.at(across.scaled(variant), up.scaled(variant)) for variant in shown}
    if len(shown) <= 2 * LABELS:
        _intervals(plot, shown, axes, spots)
    edge = [spots[variant.id] for variant in best]
    steps = [corner for one, two in pairwise(edge) for corner in (one, (two[0], one[1]))]
    if steps:
        plot.line([*steps, edge[-1]], "soft", 1.5, "3 3")
    texts = _labelled(shown, best, standing, pick)
    places = place([*spots.values()], texts, (plot.left, plot.top, plot.right, plot.bottom), steps)
    for spot, label in zip(spots.values(), places, strict=True):
        if label.moved:
            plot.rule(spot, (label.x, label.y), "soft")
    for variant, label, text in zip(shown, places, texts, strict=True):
        colour = "accent" if variant is pick else "ink" if variant in best else "muted"
        said = f"{standing.names[variant.id]}: {summary_figures(variant, standing)}"
        says = Says(standing.numbers[variant.id], said)
        fill = colour if variant is pick or variant in best else "page"
        plot.dot(spots[variant.id], fill, colour, says=says)
        if text:
            ink, anchor = "accent" if variant is pick else "ink", label.anchor
            plot.text((label.x, label.y + 4), text, ink, anchor)
    return plot


def _intervals(
    plot: Plot, shown: Sequence[Variant], axes: tuple[Axis, Axis], spots: dict[str, Spot]
) -> None:
    up, across = axes
    for variant in shown:
        x, y = spots[variant.id]
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
            spread = figures.bounds(one.figure, one.interval(variant))
            row.append(f"{value} {spread}".strip())
        rows.append([*row, "yes" if variant.id in edge else "no"])
    header = ["Method", up.title, across.title, "On the front"]
    return plain(f"{up.title} against {across.title}", header, rows)
