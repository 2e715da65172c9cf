"""Figures and names in words: what `llmbench.format` says of one value, said of more."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmbench.figure import Figure
from llmbench.format import value_text
from llmbench.statistics.interval import Interval

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


def extent(counts: Sequence[int]) -> str:
    """`3`, or `2 to 3` of ordered counts."""
    return f"{counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else str(counts[0])


def span(least: str, most: str) -> str:
    """`0.7 GiB`, or `0.7 to 0.8 GiB`: two ends as a person reads them."""
    value, _, unit = least.partition(" ")
    if least == most:
        return least
    return f"{value if most.endswith(f' {unit}') else least} to {most}"


def rounded_up(count: int) -> str:
    """A count to two digits, never less than it is: `1,200` for 1,137."""
    step = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // step) * step:,}"


def seconds(value: float) -> str:
    """Seconds from milliseconds to hours."""
    if value < 1:
        return f"{value * 1000:.0f} ms" if value >= 0.001 else f"{value * 1000:.2g} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


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


def within(figure: Figure, interval: Interval) -> tuple[float, float]:
    """The interval's ends, as far as the figure can take them."""
    least, most = figure.ends
    return max(least, interval.low), min(most, interval.high)


def bounds(figure: Figure, interval: Interval | None) -> str:
    """`[0.58, 0.64]`; empty where nothing is known of the spread."""
    if interval is None or interval.low == interval.high:
        return ""
    low, high = (figure_value(figure, end) for end in within(figure, interval))
    unit = re.search(r" [a-zA-Z/]+$", high)
    if unit and low.endswith(unit[0]):
        low, high = low.removesuffix(unit[0]), high.removesuffix(unit[0])
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


def share(value: float) -> str:
    """A change as a share, with its sign: `+20.1 %`."""
    text = f"{abs(100 * value):.1f} %"
    return text if text == "0.0 %" else f"{'+' if value > 0 else MINUS}{text}"
