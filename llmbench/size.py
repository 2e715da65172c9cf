"""Sizes of memory as people write them: `16GiB`, `16 GB`. `llmbench.format` shows them."""

from __future__ import annotations

import re

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
