"""Texts for people: numbers with their units, lists, and what must not stand in a line."""

from __future__ import annotations

import re
from collections.abc import Sequence

GIB, MIB = 2**30, 2**20


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


LINE_ENDS = re.compile("\r\n|[\u2028\u2029]")
"""What ends a line besides a line feed."""


# Control characters have no place in HTML or SVG; a line break and a tab do.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


MINUS = "\N{MINUS SIGN}"


DASH = "\N{EN DASH}"


def clean(text: str) -> str:
    """The text without characters that a page cannot hold."""
    return UNPRINTABLE.sub("\ufffd", LINE_ENDS.sub("\n", text))


def cut(text: str, limit: int) -> str:
    """The text, or its start and how much is left out."""
    text = clean(text)
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()} … ({len(text) - limit:,} more characters)"


def short(text: str, limit: int) -> str:
    """The text, or its start and an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def code(text: str) -> str:
    """A name between backticks, which the page sets as code."""
    return f"`{clean(text).replace('`', chr(39))}`"


def listed(items: Sequence[str], most: int = 6) -> str:
    """`a, b and c`; beyond `most`, how many more."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def plural(count: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def extent(counts: Sequence[int]) -> str:
    """`3`, or `2 to 3` of ordered counts."""
    return f"{counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else str(counts[0])


def span(least: str, most: str) -> str:
    """`0.7 GiB`, or `0.7 to 0.8 GiB`: two ends as a person reads them."""
    value, _, unit = least.partition(" ")
    if least == most:
        return least
    return f"{value if most.endswith(f' {unit}') else least} to {most}"


def seconds(value: float) -> str:
    """Seconds from milliseconds to hours."""
    if value < 1:
        return f"{value * 1000:.0f} ms" if value >= 0.001 else f"{value * 1000:.2g} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


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


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, as wide as their widest cell."""
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in table)
    return "\n".join(line.rstrip() for line in lines)


def split_list(text: str) -> list[str]:
    """Split at the commas that are not inside brackets; empty parts are dropped."""
    parts = re.split(r",(?![^()]*\))", text)
    return [p.strip() for p in parts if p.strip()]


def split_members(text: str) -> list[str]:
    """The labels of a composition's members: `lora(r=64)` and `4-bit` of `lora(r=64)+4-bit`."""
    return re.split(r"\+(?![^()]*\))", text)
