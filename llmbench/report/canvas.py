"""What charts are drawn on: stand-in colours, axes, and the way to SVG.

`llmbench.report.svg` exchanges the colours for classes, so that they follow the page's theme.
Altair and vl-convert are imported when something is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

INK, MUTED, GRID, ACCENT, SOFT, PAGE = (f"#00000{n}" for n in range(1, 7))
SERIES = tuple(f"#0000a{n}" for n in range(1, 9))
STACK = tuple(f"#0000b{n}" for n in range(1, 6))
"""Of what a peak is made of; unlike series, told apart without a label beside each."""
WIDTH, HEIGHT = 440, 300
NARROW, PANEL, BROAD = 330, 128, 696
"""Width of charts that have text beside them, of each panel of those that have several, and of
one that is as wide as five of them."""
ROW_HEIGHT = 26
ROW_LABEL, CHARACTER = 34, 7.2
"""The most characters of a row's name, and the room that one takes."""
TEXT_SIZE = 12

Datum = dict[str, Any]
Data = list[Datum]


@dataclass(frozen=True)
class Scale:
    """An axis: its title, its ends, and how its ticks read."""

    title: str
    low: float
    high: float
    format: str = ",~r"
    ticks: tuple[float, ...] = ()
    """Where its ticks are; wherever Vega has them if there are none."""
    logarithmic: bool = False

    def pixels(self, value: float, length: float) -> float:
        """Where a value is on an axis of that length."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low) * length
        return (value - self.low) / (self.high - self.low) * length

    def value(self, pixels: float, length: float) -> float:
        """The value at that place."""
        if self.logarithmic:
            return float(self.low * (self.high / self.low) ** (pixels / length))
        return self.low + pixels / length * (self.high - self.low)


def missing() -> str | None:
    """The package without which no chart can be drawn, if one is not installed."""
    return next((p for p in ("altair", "vl_convert") if find_spec(p) is None), None)


class Drawing:
    """A chart in the making, and its data by name.

    Altair copies and checks inline data value by value, which for a thousand cells takes longer
    than all the rest: it gets names, and Vega the data.
    """

    def __init__(self) -> None:
        self.sets: dict[str, Data] = {}
        self.layers: list[Any] = []

    def data(self, rows: Data) -> Any:
        """A reference to the rows."""
        name = f"set{len(self.sets)}"
        self.sets[name] = rows
        return altair().NamedData(name)

    def add(self, rows: Data, mark: str, options: dict[str, Any], **channels: Any) -> None:
        """One more layer, unless there is nothing in it."""
        if rows:
            plain = altair().Chart(self.data(rows))
            self.layers.append(getattr(plain, f"mark_{mark}")(**options).encode(**channels))

    def svg(self, chart: Any = None, **size: Any) -> str:
        """The layers as Vega's SVG, or the chart where it is made otherwise."""
        import vl_convert

        chart = chart if chart is not None else altair().layer(*self.layers).properties(**size)
        # Altair's own validation costs more than all the rest, and the tests draw every chart.
        spec = _styled(chart).to_dict(validate=False)
        return str(vl_convert.vegalite_to_svg(spec | {"datasets": self.sets}))


def axis(channel: Any, field: str, scale: Scale, ticks: int = 5) -> Any:
    """An axis of figures on a scale."""
    alt = altair()
    return channel(
        f"{field}:Q",
        title=scale.title,
        scale=alt.Scale(
            type="log" if scale.logarithmic else "linear",
            domain=[scale.low, scale.high],
            nice=False,
            zero=False,
        ),
        axis=alt.Axis(
            tickCount=ticks,
            labelExpr=_tick(scale.format),
            **({"values": list(scale.ticks)} if scale.ticks else {}),
        ),
    )


def ceiling(values: Sequence[float], least: float) -> float:
    """Where an axis ends so that a few values far above all others do not squeeze the rest.

    It reaches to `least` in any case, and to most of the values.
    """
    low, most = min(values), sorted(values)[3 * (len(values) - 1) // 4]
    far = max(least, most)
    limit = low + 3 * (far - low) if far > low else max(values)
    return max(least, *(v for v in values if v <= limit))


def round_steps(low: float, high: float, count: int = 5) -> Iterator[float]:
    """About so many round numbers between the ends, evenly spread."""
    rough = (high - low) / count
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)
    yield from (n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1))


def round_ratios(low: float, high: float) -> Iterator[float]:
    """Powers of ten between the ends and, where these are close, their multiples by 2 and 5."""
    digits = (1, 2, 5) if high / low < 100 else (1,)
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        yield from (v for d in digits if low <= (v := d * 10.0**power) <= high)


def _tick(form: str) -> str:
    """How a tick reads: in the given format, but zero without a prefix."""
    return f"datum.value === 0 ? '0' : format(datum.value, '{form}')"


def row_axis(rows: Sequence[str]) -> Any:
    """Names of rows. The page's typeface may be wider than the one that Vega measures with."""
    alt = altair()
    widest = CHARACTER * max(len(row) for row in rows) + 16
    axis = alt.Axis(
        labelLimit=0,
        minExtent=widest,
        ticks=False,
        domain=False,
        labelPadding=8,
        labelColor=INK,
    )
    return alt.Y("name:N", sort=list(rows), title=None, axis=axis)


def _styled(chart: Any) -> Any:
    """Quiet axes: no frame, a faint grid, small type in the page's own face."""
    return (
        chart.configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED,
            titleColor=MUTED,
            titleFontWeight="normal",
            titleFontSize=TEXT_SIZE,
            labelFontSize=TEXT_SIZE,
            gridColor=GRID,
            domainColor=GRID,
            tickColor=GRID,
            titlePadding=8,
        )
        .configure_scale(bandPaddingInner=0.3)
        .configure_facet(spacing=14)
    )


@cache
def altair() -> Any:
    """The module, imported when it is first asked for."""
    import altair as module

    return module
