"""The sides of a scatter: what is on an axis, how it reads, and which way is better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmbench.arm import Arm
from llmbench.figure import BY_ID, Figure
from llmbench.report import field, words
from llmbench.report.canvas import Scale
from llmbench.report.chart import bytes_unit
from llmbench.report.standing import Standing
from llmbench.statistics.interval import Interval

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
        low, high = words.within(self.figure, found)
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


def quality(standing: Standing, score: Figure) -> Side:
    """Quality as a side."""
    return Side(
        score,
        standing.quality_of,
        lambda arm: standing.quality.get(arm.id),
        "higher",
        score.label,
    )


def training_speed(standing: Standing) -> Side:
    """Training speed as a side."""
    return Side(
        field.SPEED,
        field.speed,
        lambda arm: standing.speed.get(arm.id),
        "higher",
        "Training speed",
    )


def memory(standing: Standing) -> Side:
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
