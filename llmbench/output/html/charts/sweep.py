"""The drawing of searches for learning rates: where each try stands.

Points are validation losses at the end of training, joined by a line for each method. A try that
has none, or one far above all others, stands above the axis, on a row of its method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from llmbench import text as words
from llmbench.analysis.tuning import Search, Try
from llmbench.output.html.charts import canvas, trace
from llmbench.output.html.charts.canvas import Scale
from llmbench.output.html.charts.scatter import CHARACTER, LINE, spread
from llmbench.wording import figures

ROW = LINE + 2
"""Height of a row above the axis, in pixels."""
ROOM = 1.3
"""How far the axis of rates reaches beyond the lowest and the highest, as a factor."""
NAME = 32
"""The most characters of a method's name."""
ENDS = {"oom": "out of memory", "ok": "not measured"}
"""Why a try has no loss, where its status does not say so by itself."""

Searches = Mapping[str, Search]
"""By the name of the method."""


def told(tried: Try) -> str:
    """The loss, or why there is none."""
    if tried.loss is None:
        return ENDS.get(tried.record.status, tried.record.status)
    return f"{tried.loss:.3f}"


@dataclass(frozen=True)
class Sweep:
    """The methods that are drawn, and the colour of each."""

    shown: Searches
    colours: Mapping[str, str]

    def draw(self) -> str:
        """Vega's SVG; there is to be a loss."""
        return trace.rates(
            [self._point(name, t) for name in self.shown for t in self._within(name)],
            [self._mark(name, t) for name, tries in self.above.items() for t in tries],
            [self._note(name, tries) for name, tries in self.above.items()],
            self._labels(),
            self.x,
            self.y,
            self.height,
        )

    @cached_property
    def losses(self) -> list[float]:
        """All there are."""
        return [t.loss for s in self.shown.values() for t in s.tries if t.loss is not None]

    @cached_property
    def above(self) -> dict[str, list[Try]]:
        """The tries that stand above the axis, by method."""
        found = {
            name: [t for t in search.tries if t not in self._within(name)]
            for name, search in self.shown.items()
        }
        return {name: tries for name, tries in found.items() if tries}

    @property
    def legend(self) -> Iterator[str]:
        """What the marks mean."""
        tries = [t for held in self.above.values() for t in held]
        if self.losses:
            yield "Filled: the chosen rate, that of the lowest loss."
            if any(t.loss is None for t in tries):
                yield "A cross has no loss, for the reason beside it."
            if any(t.loss is not None for t in tries):
                yield "A triangle has a loss far above the others."

    @cached_property
    def x(self) -> Scale:
        """The axis of rates."""
        rates = [t.rate for search in self.shown.values() for t in search.tries]
        low, high = min(rates) / ROOM, max(rates) * ROOM
        ticks = tuple(canvas.round_ratios(low, high))
        return Scale("Learning rate (logarithmic)", low, high, ".0e", ticks, logarithmic=True)

    @cached_property
    def height(self) -> float:
        """In pixels, rows and all."""
        return canvas.HEIGHT + ROW * (len(self.above) + 0.5) * bool(self.above)

    @cached_property
    def y(self) -> Scale:
        """The axis of losses, through the rows above it."""
        low, high, title = self._axis.low, self._axis.high, self._axis.title
        ticks = tuple(canvas.round_steps(low, high))
        return Scale(title, low, self._axis.value(self.height, canvas.HEIGHT), ticks=ticks)

    @cached_property
    def _highest(self) -> float:
        """The largest loss that has a place on the axis."""
        chosen = [s.best.loss for s in self.shown.values() if s.best and s.best.loss is not None]
        return canvas.ceiling(self.losses, max(chosen)) if chosen else 0.0

    @cached_property
    def _axis(self) -> Scale:
        """The axis of losses without what is above it: as high as that of other charts."""
        low = min(self.losses)
        room = (self._highest - low or 1.0) * 0.05
        title = "Validation loss · \N{LEFTWARDS ARROW} less is better"
        return Scale(title, low - room, self._highest + room)

    def _within(self, name: str) -> list[Try]:
        tries = self.shown[name].tries
        return [t for t in tries if t.loss is not None and t.loss <= self._highest]

    def _point(self, name: str, tried: Try) -> canvas.Datum:
        best, colour = tried is self.shown[name].best, self.colours[name]
        return {
            "x": tried.rate,
            "y": tried.loss,
            "series": name,
            "colour": colour,
            "fill": colour if best else canvas.PAGE,
            "stroke": canvas.PAGE if best else colour,  # tells chosen ones on one spot apart
            "chosen": best,
            "says": _says(name, tried) + (", chosen" if best else ""),
        }

    def _mark(self, name: str, tried: Try) -> canvas.Datum:
        return {
            "x": tried.rate,
            "y": self._row(name),
            "colour": self.colours[name],
            "shape": trace.CROSS if tried.loss is None else trace.TRIANGLE,
            "says": _says(name, tried),
        }

    def _note(self, name: str, tries: list[Try]) -> canvas.Datum:
        """What a row is of, before its first mark or, where there is no room, behind its last."""
        causes = dict.fromkeys(told(t) for t in tries)
        text = f"{words.short(name, NAME)}: {', '.join(causes)}"
        before = self.x.pixels(tries[0].rate, canvas.WIDTH) > CHARACTER * len(text)
        return {
            "x": (tries[0] if before else tries[-1]).rate,
            "y": self._row(name),
            "text": text,
            "align": "right" if before else "left",
            "colour": self.colours[name],
        }

    def _row(self, name: str) -> float:
        """Where the method's row is on the axis of losses."""
        pixels = ROW * (list(self.above).index(name) + 0.75)
        return self.y.value(self.height - pixels, self.height)

    def _labels(self) -> canvas.Data:
        """A label for each line, in a column beside the axis, and where the line ends."""
        ends = {name: tries[-1] for name in self.shown if (tries := self._within(name))}
        wanted = [
            self.height - self.y.pixels(end.loss or 0.0, self.height) for end in ends.values()
        ]
        placed = spread(wanted, LINE + 1, self.height - canvas.HEIGHT + 6, self.height - 6)
        return [
            {
                "x": end.rate,
                "y": end.loss,
                "x2": self.x.high,
                "y2": self.y.value(self.height - at, self.height),
                "text": words.short(name, NAME),
                "colour": self.colours[name],
            }
            for (name, end), at in zip(ends.items(), placed, strict=True)
        ]


def _says(name: str, tried: Try) -> str:
    """A mark's description; it is of no row of the table."""
    return f"[0] {name} at {figures.learning_rate(tried.rate)}: {told(tried)}"
