"""Bytes, seconds and counts as a person reads them. The only place that formats figures."""

from __future__ import annotations

import re
from collections.abc import Callable

from llmbench.analysis.statistics.interval import Interval
from llmbench.record.figure import Figure
from llmbench.record.record import Record
from llmbench.units import MINUS, count, seconds, signed, size


def figure_text(figure: Figure, record: Record) -> str:
    """A record's figure with its unit; empty where it was not measured."""
    value = figure.of(record)
    return "" if value is None else value_text(figure, value)


def value_text(figure: Figure, value: float) -> str:
    """A value of a figure with its unit."""
    return FORMATS[figure.unit](value)


FORMATS: dict[str, Callable[[float], str]] = {
    "score": "{:.3f}".format,
    "points": "{:.1f}".format,
    "number": "{:.4g}".format,
    "bytes": size,
    "tokens/s": "{:,.0f} tok/s".format,
    "count": count,
    "whole": "{:,.0f}".format,
    "seconds": "{:.1f} s".format,
    "nats": "{:.3f}".format,
}
"""By a figure's unit."""


def learning_rate(value: float) -> str:
    """A learning rate to two digits, as it is typed: `2e-5`."""
    digits, _, power = f"{value:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def figure_value(figure: Figure, value: float) -> str:
    """A figure's value with its unit, also where it is small."""
    if figure.unit == "seconds":
        return seconds(value)
    if figure.unit == "tokens/s" and value < 10:
        return f"{value:.2g} tok/s"
    return value_text(figure, value).replace("-", MINUS)


def spread(figure: Figure, value: float, deviation: float) -> str:
    """A standard deviation in the unit of a value's text; empty where it has too few digits."""
    number = re.fullmatch(r"([\d,]+(?:\.(\d+))?)(?: ?[A-Za-z/]+)?", figure_value(figure, value))
    if not number or not value:
        return figure_value(figure, deviation) if deviation else ""
    digits = len(number[2] or "")
    text = f"{deviation * float(number[1].replace(',', '')) / value:,.{digits}f}"
    return text if text.strip("0.") else ""


def within(figure: Figure, interval: Interval) -> tuple[float, float]:
    """The interval's ends, as far as the figure can take them."""
    least, most = figure.ends
    return max(least, interval.low), min(most, interval.high)


def bounds(figure: Figure, interval: Interval | None) -> str:
    """`[0.58, 0.64]`; empty where nothing is known of the spread, or it does not show."""
    if interval is None or interval.low == interval.high:
        return ""
    low, high = (figure_value(figure, end) for end in within(figure, interval))
    unit = re.search(r" [a-zA-Z/]+$", high)
    if unit and low.endswith(unit[0]):
        low, high = low.removesuffix(unit[0]), high.removesuffix(unit[0])
    return "" if low == high else f"[{low}, {high}]"


def difference(interval: Interval) -> str:
    """`-0.020 [-0.050, +0.010]`."""
    if interval.low == interval.high:
        return signed(interval.estimate)
    return f"{signed(interval.estimate)} [{signed(interval.low)}, {signed(interval.high)}]"
