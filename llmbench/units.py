"""Sizes of memory and durations as people write them, and the ranges of stored numbers."""

from __future__ import annotations

import re
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


def read(text: str) -> int:
    """The bytes of `16GiB`, `16 GB` or `16000MiB`; ValueError where the text is no size."""
    found = SIZE.fullmatch(text)
    units = {unit.lower(): factor for unit, factor in UNITS.items()}
    factor = units.get(found["unit"].lower()) if found else None
    if found is None or factor is None:
        number = found["number"] if found else "16"
        raise ValueError(f"write a number and its unit, such as {number}GiB or {number}GB")
    size = round(float(found["number"]) * factor)
    if not size:
        raise ValueError("it is no memory at all, give more")
    return size


def exact(size: int) -> str:
    """Bytes in the largest unit that leaves no fraction, as `read` takes them: `16GiB`, `16GB`."""
    return spoken(size).replace(" ", "")


def spoken(size: int) -> str:
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
    found = DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError("write seconds, or a time such as 90s, 10m or 1h30m")
    seconds = sum(float(found[unit] or 0) * factor for unit, factor in SECONDS.items())
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
