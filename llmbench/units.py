"""Numbers with their units: read as people type them, written as people read them.

Sizes, durations, counts and shares; and the ranges of numbers in records.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

UNITS = {
    "TiB": 2**40,
    "TB": 10**12,
    "GiB": 2**30,
    "GB": 10**9,
    "MiB": 2**20,
    "MB": 10**6,
    "KiB": 2**10,
    "KB": 10**3,
    "B": 1,
}
"""Bytes of a unit, the largest first."""
SIZE = re.compile(r"\s*(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>[A-Za-z]*)\s*")


def read_size(text: str) -> int:
    """The bytes of `16GiB`, `16 GB` or `16000MiB`; ValueError where the text is no size."""
    match = SIZE.fullmatch(text)
    units = {unit.lower(): factor for unit, factor in UNITS.items()}
    factor = units.get(match["unit"].lower()) if match else None
    if match is None or factor is None:
        number = match["number"] if match else "16"
        raise ValueError(f"write a number and its unit, such as {number}GiB or {number}GB")
    size = round(float(match["number"]) * factor)
    if not size:
        raise ValueError("it is no memory at all, give more")
    return size


def exact_size(size: int) -> str:
    """Bytes in the largest unit that leaves no fraction, as `read_size` takes them: `16GiB`."""
    return spoken_size(size).replace(" ", "")


def spoken_size(size: int) -> str:
    """The same for a sentence: `16 GiB`."""
    unit, factor = next((u, f) for u, f in UNITS.items() if size % f == 0)
    return f"{size // factor} {unit}"


DURATION = re.compile(
    r"\s*(?:(?P<h>\d+(?:\.\d+)?)\s*h)?\s*(?:(?P<m>\d+(?:\.\d+)?)\s*m(?:in)?)?"
    r"\s*(?:(?P<s>\d+(?:\.\d+)?)\s*s?)?\s*",
    re.IGNORECASE,
)
SECONDS = {"h": 3600, "m": 60, "s": 1}


def read_duration(text: str) -> float:
    """The seconds of `90`, `10m` or `1h30m`; ValueError where the text is no duration."""
    match = DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError("write seconds, or a time such as 90s, 10m or 1h30m")
    seconds = sum(float(match[unit] or 0) * factor for unit, factor in SECONDS.items())
    if not seconds:
        raise ValueError("it is no time at all, give more")
    return seconds


def spoken_duration(seconds: float) -> str:
    """`1 h 30 min`, `10 min`, `90 s`: the way it would be said, exactly."""
    if seconds % 60 or seconds < 120:
        return f"{seconds:g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "")
    return " ".join(filter(None, parts))


GIB, MIB = 2**30, 2**20

MINUS = "\N{MINUS SIGN}"


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


def clock(seconds: float) -> str:
    """Seconds as `8 s`, `3:20` or `1:02:03`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def seconds(value: float) -> str:
    """Seconds from milliseconds to hours."""
    if value < 1:
        return f"{value * 1000:.0f} ms" if value >= 0.001 else f"{value * 1000:.2g} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def span(least: str, most: str) -> str:
    """`0.7 GiB`, or `0.7 to 0.8 GiB`: two ends as a person reads them."""
    value, _, unit = least.partition(" ")
    if least == most:
        return least
    return f"{value if most.endswith(f' {unit}') else least} to {most}"


def extent(counts: Sequence[int]) -> str:
    """`3`, or `2 to 3` of ordered counts."""
    return f"{counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else str(counts[0])


def signed(value: float) -> str:
    """A difference of scores with its sign."""
    text = f"{abs(value):.3f}"
    return text if text == "0.000" else f"{'+' if value > 0 else MINUS}{text}"


def percent(part: float, whole: float) -> str:
    """A share, with as many digits as it takes to be more than nothing."""
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.2g} %"


def share(value: float) -> str:
    """A change as a share, with its sign: `+20.1 %`."""
    text = f"{abs(100 * value):.1f} %"
    return text if text == "0.0 %" else f"{'+' if value > 0 else MINUS}{text}"


MOST = 1e100
"""Beyond any measurement; sums and squares of so much are still numbers."""

MOST_COUNT = 2**63 - 1
"""As much as there are addresses for, and as most formats and programs can count."""

Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]
"""Things, tokens or bytes."""
Whole = Annotated[int, Field(ge=-MOST_COUNT, le=MOST_COUNT)]
Amount = Annotated[float, Field(ge=-MOST, le=MOST)]
"""A figure that may be below zero."""
Seconds = Annotated[float, Field(ge=0, le=MOST)]
"""A coarse clock may see none pass."""
