"""Quality against memory and against speed, with the Pareto frontier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from llmbench import text as words
from llmbench.analysis import field
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.interval import Interval
from llmbench.output.html.cells import summary_figures
from llmbench.output.html.charts import canvas, draw
from llmbench.output.html.charts.canvas import Chart, Scale, bytes_unit, chart
from llmbench.record.arm import Arm
from llmbench.record.figure import BY_ID, Figure
from llmbench.wording import figures, phrases

MEMORY = BY_ID["peak_memory_bytes"]


@dataclass(frozen=True)
class Side:
    """One of the two figures of a scatter."""

    figure: Figure
    of: Callable[[Arm], float | None]
    interval: Callable[[Arm], Interval | None]
    better: str
    title: str
    factor: float = 1.0
    """What a value is divided by for the axis."""

    def scaled(self, arm: Arm) -> float:
        """The value on the axis."""
        return (self.of(arm) or 0.0) / self.factor

    def bounds(self, arm: Arm) -> tuple[float, float] | None:
        """The interval on the axis."""
        found = self.interval(arm)
        if found is None or found.low == found.high:
            return None
        low, high = figures.within(self.figure, found)
        return low / self.factor, high / self.factor


def scale(side: Side, arms: Sequence[Arm], zero: bool) -> Scale:
    """The axis for a side, with a little room."""
    values = [side.scaled(arm) for arm in arms]
    values += [b for arm in arms for b in side.bounds(arm) or ()]
    low, high = (0.0 if zero else min(values)), max(values)
    room = (high - low or abs(high) or 1.0) * 0.08
    arrow = (
        "more is better \N{RIGHTWARDS ARROW}"
        if side.better == "higher"
        else "\N{LEFTWARDS ARROW} less is better"
    )
    title = f"{side.title}{_unit(side)} · {arrow}"
    return Scale(title, low if zero else low - room, high + room, _ticks(side, high - low))


def _ticks(side: Side, span: float) -> str:
    score = ".2f" if span > 0.06 else ".3f"
    return {"score": score, "tokens/s": "~s"}.get(side.figure.unit, ",~r")


def _unit(side: Side) -> str:
    if side.figure.unit == "bytes":
        return f", {bytes_unit(side.factor)[0]}"
    return ", tokens/s" if side.figure.unit == "tokens/s" else ""


def quality_side(standing: Standing, score: Figure) -> Side:
    """Quality as a side."""
    return Side(
        score,
        standing.quality_of,
        lambda arm: standing.quality.get(arm.id),
        "higher",
        score.label,
    )


def speed_side(standing: Standing) -> Side:
    """Training speed as a side."""
    return Side(
        field.SPEED,
        field.speed,
        lambda arm: standing.speed.get(arm.id),
        "higher",
        "Training speed",
    )


def memory_side(standing: Standing) -> Side:
    """Peak memory as a side, in the unit that suits the largest."""
    largest = max(field.memory(arm) or 0.0 for arm in standing.competing)
    word = standing.memory_word
    return Side(
        MEMORY,
        field.memory,
        lambda arm: standing.memory.get(arm.id),
        "lower",
        word[0].upper() + word[1:],
        bytes_unit(largest)[1],
    )


CHARACTER, LINE, GAP = 6.9, 14.0, 8.0
"""Width of a character and height of a line at the charts' type size, and the distance kept."""
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

    def outside(self, width: float, height: float) -> float:
        """How far it sticks out of a chart of that size."""
        beyond = (-self.left, -self.top, self.right - width, self.bottom - height)
        return sum(max(0.0, b) for b in beyond)


@dataclass(frozen=True)
class Label:
    """A label's place: the middle of its left or right edge, as `align` says."""

    x: float
    y: float
    align: str
    moved: bool
    """Whether it is so far from its point that a line should lead there."""


def place(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    size: tuple[float, float],
    lines: Sequence[Box] = (),
) -> list[Label]:
    """A place for each label; points with an empty text get one that nothing is drawn at.

    `size` is the chart's, `lines` are what a label had better not lie on.

    Greedy, the crowded first: each takes the cheapest of its candidate places, given what is
    already there. Good enough for the dozen labels that a chart has.
    """
    dots = [Box(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    if len(dots) > CROWD:  # a label lies on some point wherever it is: mind those with labels
        dots = [dot for dot, text in zip(dots, texts, strict=True) if text]
    covered = [*dots, *lines]
    taken: list[Box] = []
    found: dict[int, Label] = {}
    for index in sorted(range(len(points)), key=lambda i: (points[i][1], points[i][0])):
        if not texts[index]:
            found[index] = Label(*points[index], "left", False)
            continue
        candidates = list(_candidates(points[index], texts[index]))
        costs = [
            _cost(box, order, taken, covered, size) for order, (_, box) in enumerate(candidates)
        ]
        label, box = candidates[costs.index(min(costs))]
        taken.append(box)
        found[index] = label
    return [found[i] for i in range(len(points))]


def _candidates(point: tuple[float, float], text: str) -> Iterator[tuple[Label, Box]]:
    x, y = point
    length = CHARACTER * len(text)
    for reach in REACH:
        for shift in {reach, -reach}:
            for align in ("left", "right"):
                near = x + GAP if align == "left" else x - GAP
                left = near if align == "left" else near - length
                box = Box(left, y + shift - LINE / 2, left + length, y + shift + LINE / 2)
                yield Label(near, y + shift, align, reach > LINE), box
        if reach:  # above and below the point itself
            for shift in (-reach, reach):
                left = x - length / 2
                box = Box(left, y + shift - LINE / 2, left + length, y + shift + LINE / 2)
                yield Label(left, y + shift, "left", reach > LINE), box


def _cost(
    box: Box, order: int, taken: Sequence[Box], covered: Sequence[Box], size: tuple[float, float]
) -> float:
    crossed = sum(box.overlap(other) for other in taken) * 4
    hidden = sum(box.overlap(other) for other in covered)
    return crossed + hidden + 100 * box.outside(*size) + 2 * order


def spread(wanted: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """The positions, moved apart to be `least` from each other and inside the bounds."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    moved = [wanted[i] for i in order]
    for index in range(1, len(moved)):
        moved[index] = max(moved[index], moved[index - 1] + least)
    if moved:
        moved[-1] = min(moved[-1], high)
    for index in range(len(moved) - 2, -1, -1):
        moved[index] = min(moved[index], moved[index + 1] - least)
    found = dict(zip(order, (max(low, m) for m in moved), strict=True))
    return [found[i] for i in range(len(wanted))]


LABELS = 14
"""Points that get a label; of more, those on the frontier do."""
MOST_POINTS = 300


def scatters(standing: Standing, pick: Arm | None) -> Iterator[Chart]:
    """The charts of what is traded for what; none where fewer than two rows can be shown."""
    shown = standing.competing
    if len(shown) < 2:
        return
    memory, rate = memory_side(standing), speed_side(standing)
    if standing.score:
        quality = quality_side(standing, standing.score)
        yield _scatter("quality-memory", quality, memory, standing, pick)
        if standing.timed:
            yield _scatter("quality-speed", quality, rate, standing, pick)
    elif standing.timed:
        yield _scatter("speed-memory", rate, memory, standing, pick)


def frontier(arms: Sequence[Arm], up: Side, across: Side) -> list[Arm]:
    """The arms that no other beats in one figure without losing in the other, along the x axis."""
    sign_x = 1 if across.better == "higher" else -1
    sign_y = 1 if up.better == "higher" else -1
    ranked = sorted(arms, key=lambda a: (-sign_x * across.scaled(a), -sign_y * up.scaled(a)))
    found: list[Arm] = []
    for arm in ranked:
        if not found or sign_y * up.scaled(arm) > sign_y * up.scaled(found[-1]):
            found.append(arm)
    return sorted(found, key=across.scaled)


def _scatter(name: str, up: Side, across: Side, standing: Standing, pick: Arm | None) -> Chart:
    shown = standing.competing[:MOST_POINTS]
    best = frontier(shown, up, across)
    x, y = scale(across, shown, zero=True), scale(up, shown, zero=standing.score is None)
    edge = [{"x": across.scaled(a), "y": up.scaled(a), "order": i} for i, a in enumerate(best)]
    points = _points(shown, up, across, (x, y), standing, best, pick)
    title = f"{up.title} against {across.title[0].lower()}{across.title[1:]}"
    listed = words.listed([standing.name(a) for a in best], 10)
    caption = (
        f"Filled: on the Pareto frontier, so that no {phrases.row(standing)} is better on both "
        f"figures ({listed}). Lines are 95 % intervals."
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
        f"Scatter of {words.plural(len(shown), phrases.row(standing))}. On the Pareto frontier: "
        f"{', '.join(standing.names[a.id] for a in best[:20])}.",
        caption,
        _table(shown, up, across, best, standing),
        lambda: draw.scatter(points, edge if len(edge) > 1 else [], x, y),
    )


def _points(
    shown: Sequence[Arm],
    up: Side,
    across: Side,
    scales: tuple[Scale, Scale],
    standing: Standing,
    best: Sequence[Arm],
    pick: Arm | None,
) -> canvas.Data:
    size = (canvas.WIDTH, canvas.HEIGHT)
    pixels = [_pixels(a, up, across, scales) for a in shown]
    edge, picked = {a.id for a in best}, pick.id if pick else ""
    named = {a.id for a in shown} if len(shown) <= LABELS else {*sorted(edge)[:LABELS], picked}
    texts = [words.short(standing.names[a.id], 44) if a.id in named else "" for a in shown]
    labels = place(pixels, texts, size, _lines(best, up, across, scales))
    numbers = standing.numbers
    found = []
    for arm, text, label in zip(shown, texts, labels, strict=True):
        cell = arm.id
        point: dict[str, Any] = {
            "x": across.scaled(arm),
            "y": up.scaled(arm),
            "says": f"[{numbers[cell]}] {standing.names[cell]}: {summary_figures(arm, standing)}",
            **_colours(cell == picked, cell in edge),
            **_bounds(arm, up, across, len(shown) <= 2 * LABELS),
            **_placed(text, label, scales),
        }
        found.append(point)
    return found


def _pixels(arm: Arm, up: Side, across: Side, scales: tuple[Scale, Scale]) -> tuple[float, float]:
    x, y = scales
    left = x.pixels(across.scaled(arm), canvas.WIDTH)
    return left, canvas.HEIGHT - y.pixels(up.scaled(arm), canvas.HEIGHT)


def _colours(picked: bool, on_edge: bool) -> dict[str, str]:
    line = canvas.ACCENT if picked else canvas.INK if on_edge else canvas.MUTED
    fill = line if picked or on_edge else canvas.PAGE
    return {"fill": fill, "stroke": line, "ink": canvas.ACCENT if picked else canvas.INK}


def _bounds(arm: Arm, up: Side, across: Side, wanted: bool) -> dict[str, float | None]:
    y_low, y_high = (wanted and up.bounds(arm)) or (None, None)
    x_low, x_high = (wanted and across.bounds(arm)) or (None, None)
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


def _lines(best: Sequence[Arm], up: Side, across: Side, scales: tuple[Scale, Scale]) -> list[Box]:
    """Where the frontier runs: along to the next cell, then up or down to it."""
    corners = [_pixels(a, up, across, scales) for a in best]
    found = []
    for (x1, y1), (x2, y2) in pairwise(corners):
        found.append(Box(x1, y1 - 1, x2, y1 + 1))
        found.append(Box(x2 - 1, min(y1, y2), x2 + 1, max(y1, y2)))
    return found


def _table(
    shown: Sequence[Arm], up: Side, across: Side, best: Sequence[Arm], standing: Standing
) -> tuple[list[str], list[list[str]]]:
    rows, edge = [], {a.id for a in best}
    for arm in shown:
        row = [standing.names[arm.id]]
        for one in (up, across):
            value = figures.figure_value(one.figure, one.of(arm) or 0.0)
            spread = figures.bounds(one.figure, one.interval(arm))
            row.append(f"{value} {spread}".strip())
        rows.append([*row, "yes" if arm.id in edge else "no"])
    return ["Cell", up.title, across.title, "On the frontier"], rows
