"""Figures and names in words: what `llmbench.format` says of one value, said of more."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from llmbench.figure import Figure
from llmbench.format import value_text
from llmbench.record import Record
from llmbench.statistics import Interval

LINE_ENDS = re.compile("\r\n|[\u2028\u2029]")
"""What ends a line besides a line feed. In names, the last two break Vega's expressions."""
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


def seconds(value: float) -> str:
    """Seconds from milliseconds to hours."""
    if value < 1:
        return f"{value * 1000:.0f} ms" if value >= 0.001 else f"{value * 1000:.2g} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def figure_value(figure: Figure, value: float) -> str:
    """A figure's value with its unit, also where it is small."""
    if figure.unit == "seconds":
        return seconds(value)
    if figure.unit == "tokens/s" and value < 10:
        return f"{value:.2g} tok/s"
    return value_text(figure, value).replace("-", MINUS)


def bounds(figure: Figure, interval: Interval | None) -> str:
    """`[0.58, 0.64]`; empty where nothing is known of the spread."""
    if interval is None or interval.low == interval.high:
        return ""
    low, high = (
        figure_value(figure, v).removesuffix(" tok/s") for v in (interval.low, interval.high)
    )
    return f"[{low}, {high}]"


def signed(value: float) -> str:
    """A difference of scores with its sign."""
    text = f"{abs(value):.3f}"
    return text if text == "0.000" else f"{'+' if value > 0 else MINUS}{text}"


def difference(interval: Interval) -> str:
    """`-0.020 [-0.050, +0.010]`."""
    if interval.low == interval.high:
        return signed(interval.estimate)
    return f"{signed(interval.estimate)} [{signed(interval.low)}, {signed(interval.high)}]"


def percent(part: float, whole: float) -> str:
    """A share, with as many digits as it takes to be more than nothing."""
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.2g} %"


DIGITS = 4
"""Of a cell's id, enough to tell cells apart that are otherwise named alike."""


def names(records: Sequence[Record]) -> dict[str, str]:
    """A short name per cell id: the composition, and the seed, model or task where they vary.

    Cells that are still alike differ in settings or device: the id's last digits tell them apart.
    """
    varying = [
        part for part in (_model, _task, _seed) if len({part(record) for record in records}) > 1
    ]
    found = {
        r.cell.id: clean(" · ".join([r.cell.name, *(part(r) for part in varying)])) for r in records
    }
    alike = Counter(found.values())
    return {
        cell: name if alike[name] == 1 else f"{name} · {cell[-DIGITS:]}"
        for cell, name in found.items()
    }


def _model(record: Record) -> str:
    return record.cell.model.id


def _task(record: Record) -> str:
    return record.cell.task


def _seed(record: Record) -> str:
    return f"seed {record.cell.seed}"
