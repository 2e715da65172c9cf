"""Where labels go beside the points of a chart, so that none covers another. In pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
