"""Durations as people write them: `90`, `10m`, `1h30m`."""

from __future__ import annotations

import re

DURATION = re.compile(
    r"\s*(?:(?P<h>\d+(?:\.\d+)?)\s*h)?\s*(?:(?P<m>\d+(?:\.\d+)?)\s*m(?:in)?)?"
    r"\s*(?:(?P<s>\d+(?:\.\d+)?)\s*s?)?\s*",
    re.IGNORECASE,
)
SECONDS = {"h": 3600, "m": 60, "s": 1}


def read(text: str) -> float:
    """The seconds of `90`, `10m` or `1h30m`; ValueError where the text is no duration."""
    found = DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError("write seconds, or a time such as 90s, 10m or 1h30m")
    seconds = sum(float(found[unit] or 0) * factor for unit, factor in SECONDS.items())
    if not seconds:
        raise ValueError("it is no time at all, give more")
    return seconds


def words(seconds: float) -> str:
    """`1 h 30 min`, `10 min`, `90 s`: the way it would be said, exactly."""
    if seconds % 60 or seconds < 120:
        return f"{seconds:g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "")
    return " ".join(filter(None, parts))
