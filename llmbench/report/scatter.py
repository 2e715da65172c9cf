"""Quality against memory and against speed, with the Pareto frontier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llmbench.figure import BY_ID, Figure, peak_memory
from llmbench.record import Record
from llmbench.report import draw, words
from llmbench.report.chart import Chart, bytes_unit, chart
from llmbench.report.draw import Scale
from llmbench.report.place import place
from llmbench.report.standing import Standing, speed
from llmbench.report.table import summary_figures
from llmbench.statistics import Interval

LABELS = 14
"""Points that get a label; of more, those on the frontier do."""
MOST_POINTS = 400
MEMORY, SPEED = BY_ID["peak_memory_bytes"], BY_ID["train_tokens_per_second"]


@dataclass(frozen=True)
class Side:
    """One of the two figures of a scatter."""

    figure: Figure
    of: Callable[[Record], float | None]
    interval: Callable[[Record], Interval | None]
    better: str
    title: str
    factor: float = 1.0
    """What a value is divided by for the axis."""

    def scaled(self, record: Record) -> float:
        """The value on the axis."""
        return (self.of(record) or 0.0) / self.factor

    def bounds(self, record: Record) -> tuple[float, float] | None:
        """The interval on the axis."""
        found = self.interval(record)
        if found is None or found.low == found.high:
            return None
        return found.low / self.factor, found.high / self.factor


def scatters(standing: Standing, pick: Record | None) -> Iterator[Chart]:
    """The charts of what is traded for what; none where fewer than two cells can be shown."""
    shown = standing.competing
    if len(shown) < 2:
        return
    memory, rate = _memory(standing), _speed(standing)
    if standing.score is None:
        yield _scatter("speed-memory", rate, memory, standing, pick)
        return
    quality = _quality(standing, standing.score)
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
    x, y = _scale(across, shown, zero=True), _scale(up, shown, zero=standing.score is None)
    edge = [{"x": across.scaled(r), "y": up.scaled(r), "order": i} for i, r in enumerate(best)]
    points = _points(shown, up, across, (x, y), standing, best, pick)
    title = f"{up.title} against {across.title[0].lower()}{across.title[1:]}"
    listed = words.listed([standing.name(r) for r in best], 10)
    caption = (
        f"Filled: on the Pareto frontier, so that no cell is better on both figures ({listed}). "
        "Lines are 95 % intervals."
        + (" The accent marks the pick." if pick in shown else "")
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
) -> draw.Data:
    x, y = scales
    width, height = draw.WIDTH, draw.HEIGHT
    pixels = [
        (x.pixels(across.scaled(r), width), height - y.pixels(up.scaled(r), height)) for r in shown
    ]
    named = shown if len(shown) <= LABELS else [*best, *([pick] if pick else [])][:LABELS]
    texts = [words.cut(standing.names[r.cell.id], 44) if r in named else "" for r in shown]
    numbers = {r.cell.id: n for n, r in enumerate(standing.records, start=1)}
    found = []
    for record, text, label in zip(shown, texts, place(pixels, texts, width, height), strict=True):
        intervals = len(shown) <= 2 * LABELS
        low_y, high_y = (intervals and up.bounds(record)) or (None, None)
        low_x, high_x = (intervals and across.bounds(record)) or (None, None)
        point: dict[str, Any] = {
            "x": across.scaled(record),
            "y": up.scaled(record),
            "x_low": low_x,
            "x_high": high_x,
            "y_low": low_y,
            "y_high": high_y,
            "text": text,
            "align": label.align,
            "moved": bool(text) and label.moved,
            "label_x": x.value(label.x, width),
            "label_y": y.value(height - label.y, height),
            "kind": "pick" if record is pick else "frontier" if record in best else "plain",
            "says": f"[{numbers[record.cell.id]}] {standing.names[record.cell.id]}: "
            f"{summary_figures(record, standing)}",
        }
        found.append(point)
    return found


def _table(
    shown: Sequence[Record], up: Side, across: Side, best: Sequence[Record], standing: Standing
) -> tuple[list[str], list[list[str]]]:
    rows = []
    for record in shown:
        row = [standing.names[record.cell.id]]
        for side in (up, across):
            value = words.figure_value(side.figure, side.of(record) or 0.0)
            spread = words.bounds(side.figure, side.interval(record))
            row.append(f"{value} {spread}".strip())
        rows.append([*row, "yes" if record in best else "no"])
    return ["Cell", up.title, across.title, "On the frontier"], rows


def _scale(side: Side, records: Sequence[Record], zero: bool) -> Scale:
    values = [side.scaled(r) for r in records]
    values += [b for r in records for b in side.bounds(r) or ()]
    low, high = (0.0 if zero else min(values)), max(values)
    room = (high - low or abs(high) or 1.0) * 0.08
    arrow = (
        "more is better \N{RIGHTWARDS ARROW}"
        if side.better == "higher"
        else "\N{LEFTWARDS ARROW} less is better"
    )
    title = f"{side.title}{_unit(side)}   {arrow}"
    return Scale(title, low if zero else low - room, high + room, _ticks(side))


def _ticks(side: Side) -> str:
    return {"score": ".2f", "tokens/s": "~s"}.get(side.figure.unit, ",~r")


def _unit(side: Side) -> str:
    if side.figure.unit == "bytes":
        return f", {bytes_unit(side.factor)[0]}"
    return ", tokens/s" if side.figure.unit == "tokens/s" else ""


def _quality(standing: Standing, score: Figure) -> Side:
    return Side(
        score,
        standing.quality_of,
        lambda r: standing.quality.get(r.cell.id),
        "higher",
        score.label,
    )


def _speed(standing: Standing) -> Side:
    return Side(SPEED, speed, lambda r: standing.speed.get(r.cell.id), "higher", "Training speed")


def _memory(standing: Standing) -> Side:
    largest = max(peak_memory(r) or 0.0 for r in standing.competing)
    word = standing.memory_word
    return Side(
        MEMORY,
        peak_memory,
        lambda r: None,
        "lower",
        word[0].upper() + word[1:],
        bytes_unit(largest)[1],
    )
