"""Bytes, seconds and counts as a person reads them. The only place that formats figures."""

from __future__ import annotations

from collections.abc import Callable

from llmbench.figure import Figure
from llmbench.record import Record

GIB, MIB = 2**30, 2**20


def figure_text(figure: Figure, record: Record) -> str:
    """A record's figure with its unit; empty where it was not measured."""
    value = figure.of(record)
    return "" if value is None else value_text(figure, value)


def value_text(figure: Figure, value: float) -> str:
    """A value of a figure with its unit."""
    return FORMATS[figure.unit](value)


def size(value: float) -> str:
    """Bytes in GiB, MiB or KiB, three significant digits or so."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB)):
        if abs(value) >= factor:
            scaled = value / factor
            return f"{scaled:,.0f} {unit}" if scaled >= 100 else f"{scaled:.1f} {unit}"
    return f"{value / 1024:.0f} KiB"


def count(value: float) -> str:
    """A count with K, M or B."""
    for unit, factor in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if abs(value) >= factor:
            scaled = value / factor
            return f"{scaled:.0f}{unit}" if scaled >= 100 else f"{scaled:.3g}{unit}"
    return f"{value:.0f}"


FORMATS: dict[str, Callable[[float], str]] = {
    "score": "{:.3f}".format,
    "bytes": size,
    "tokens/s": "{:,.0f} tok/s".format,
    "count": count,
    "whole": "{:,.0f}".format,
    "seconds": "{:.1f} s".format,
    "nats": "{:.3f}".format,
}
"""By a figure's unit."""


def clock(seconds: float) -> str:
    """Seconds as `8 s`, `3:20` or `1:02:03`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
