"""Quality against memory and against speed, with the Pareto frontier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from llmbench.arm import Arm
from llmbench.report import canvas, draw, phrase, side, words
from llmbench.report.canvas import Scale
from llmbench.report.chart import Chart, chart
from llmbench.report.place import Box, Label, place
from llmbench.report.side import Side
from llmbench.report.standing import Standing
from llmbench.report.table import summary_figures

LABELS = 14
"""Points that get a label; of more, those on the frontier do."""
MOST_POINTS = 300


def scatters(standing: Standing, pick: Arm | None) -> Iterator[Chart]:
    """The charts of what is traded for what; none where fewer than two rows can be shown."""
    shown = standing.competing
    if len(shown) < 2:
        return
    memory, rate = side.memory(standing), side.training_speed(standing)
    if standing.score:
        quality = side.quality(standing, standing.score)
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
    x, y = side.scale(across, shown, zero=True), side.scale(up, shown, zero=standing.score is None)
    edge = [{"x": across.scaled(a), "y": up.scaled(a), "order": i} for i, a in enumerate(best)]
    points = _points(shown, up, across, (x, y), standing, best, pick)
    title = f"{up.title} against {across.title[0].lower()}{across.title[1:]}"
    listed = words.listed([standing.name(a) for a in best], 10)
    caption = (
        f"Filled: on the Pareto frontier, so that no {phrase.row(standing)} is better on both "
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
        f"Scatter of {words.plural(len(shown), phrase.row(standing))}. On the Pareto frontier: "
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
            value = words.figure_value(one.figure, one.of(arm) or 0.0)
            spread = words.bounds(one.figure, one.interval(arm))
            row.append(f"{value} {spread}".strip())
        rows.append([*row, "yes" if arm.id in edge else "no"])
    return ["Cell", up.title, across.title, "On the frontier"], rows
