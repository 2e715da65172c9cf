"""The learning rates that were tried for each method, what each came to, and which was chosen.

A method here is an arithmetic: see `llmbench.analysis.tuning`. Points are validation losses at the
end of training, joined by a line for each method. A try that has none, or one far above all
others, stands above the axis, on a row of its method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from llmbench import text
from llmbench.analysis.standing import Standing
from llmbench.analysis.tuning import Search, Try, searches
from llmbench.output.html.charts.chart import MOST_ROWS, Chart, chart
from llmbench.output.html.charts.curves import palette
from llmbench.output.html.charts.plot import (
    BESIDE,
    CHARACTER,
    HEIGHT,
    LINE,
    SERIES,
    TOP,
    Plot,
    Says,
    Scale,
    ceiling,
    round_ratios,
    round_steps,
)
from llmbench.output.table import plain
from llmbench.record.record import Record
from llmbench.record.variant import Variant
from llmbench.wording import figures
from llmbench.wording.labels import labels, legend

ROW = LINE + 2
"""Height of a row above the axis, in pixels."""
ROOM = 1.3
"""How far the axis of rates reaches beyond the lowest and the highest, as a factor."""
CROSS = "M-4,-4L4,4M4,-4L-4,4"
TRIANGLE = "M-4.5,3.5L0,-4.5L4.5,3.5Z"
"""Stand above the axis: a try without a loss, and one whose loss is too high for it."""
ENDS = {"oom": "out of memory", "ok": "not measured"}
"""Why a try has no loss, where its status does not say so by itself."""

Searches = Mapping[str, Search]
"""By the name of the method."""


def result(tried: Try) -> str:
    """The loss, or why there is none."""
    if tried.loss is None:
        return ENDS.get(tried.record.status, tried.record.status)
    return f"{tried.loss:.3f}"


@dataclass(frozen=True)
class Sweep:
    """The methods that are drawn, and the colour of each."""

    shown: Searches
    colours: Mapping[str, str]

    @cached_property
    def losses(self) -> list[float]:
        """All there are."""
        return [t.loss for s in self.shown.values() for t in s.tries if t.loss is not None]

    @cached_property
    def above(self) -> dict[str, list[Try]]:
        """The tries that stand above the axis, by method."""
        outside = {
            name: [t for t in search.tries if t not in self._within(name)]
            for name, search in self.shown.items()
        }
        return {name: tries for name, tries in outside.items() if tries}

    @property
    def legend(self) -> Iterator[str]:
        """What the marks mean."""
        tries = [t for tried in self.above.values() for t in tried]
        if self.losses:
            yield "Filled: the chosen rate, that of the lowest loss."
            if any(t.loss is None for t in tries):
                yield "A cross has no loss, for the reason beside it."
            if any(t.loss is not None for t in tries):
                yield "A triangle has a loss far above the others."
            if result := legend(self.names):
                yield result

    @cached_property
    def x(self) -> Scale:
        """The axis of rates."""
        rates = [t.rate for search in self.shown.values() for t in search.tries]
        low, high = min(rates) / ROOM, max(rates) * ROOM
        ticks = tuple(round_ratios(low, high))
        return Scale(
            "Learning rate (logarithmic)", low, high, figures.learning_rate, ticks, logarithmic=True
        )

    @cached_property
    def names(self) -> dict[str, str]:
        """Labels of the methods."""
        return labels(list(self.shown))

    @cached_property
    def _highest(self) -> float:
        """The largest loss that has a place on the axis."""
        chosen = [s.best.loss for s in self.shown.values() if s.best and s.best.loss is not None]
        return ceiling(self.losses, max(chosen)) if chosen else 0.0

    @cached_property
    def y(self) -> Scale:
        """The axis of losses, without what is above it."""
        low = min(self.losses)
        room = (self._highest - low or 1.0) * 0.05
        title, form = "Validation loss · less is better", "{:.4g}".format
        ends = low - room, self._highest + room
        return Scale(title, *ends, form, tuple(round_steps(*ends)))

    def draw(self) -> Plot:
        """Points on lines, the chosen ones filled, each line with its label; there is a loss."""
        rows = ROW * (len(self.above) + 0.5) * bool(self.above)
        plot = Plot(self.x, self.y, height=HEIGHT + rows, right=BESIDE, top=TOP + rows)
        plot.axes()
        ends = self._lines(plot)
        beside = [
            (plot.y(end.loss or 0), self.names[n], self.colours[n]) for n, end in ends.items()
        ]
        for (name, end), y in zip(ends.items(), plot.beside(beside), strict=True):
            spot, colour = plot.at(end.rate, end.loss or 0.0), self.colours[name]
            plot.rule(spot, (plot.right + 5, y), colour, 1, "1 3")
        for number, (name, tries) in enumerate(self.above.items()):
            self._above(plot, name, tries, TOP + ROW * (number + 0.5))
        return plot

    def _lines(self, plot: Plot) -> dict[str, Try]:
        """Each method's line, and the last of its points."""
        ends = {}
        for name in self.shown:
            tries, colour = self._within(name), self.colours[name]
            if tries:
                ends[name] = tries[-1]
                plot.line([plot.at(t.rate, t.loss or 0.0) for t in tries], colour, 2)
        for chosen in (False, True):  # above all others
            for name, search in self.shown.items():
                for tried in self._within(name):
                    if (tried is search.best) is chosen:
                        self._point(plot, name, tried, chosen)
        return ends

    def _point(self, plot: Plot, name: str, tried: Try, chosen: bool) -> None:
        colour = self.colours[name]
        # An edge of the page's colour tells chosen ones on one spot apart.
        fill, edge = (colour, "page") if chosen else ("page", colour)
        says = _says(name, tried, ", chosen" if chosen else "")
        spot = plot.at(tried.rate, tried.loss or 0.0)
        plot.dot(spot, fill, edge, 6 if chosen else 3.5, says)

    def _above(self, plot: Plot, name: str, tries: list[Try], y: float) -> None:
        """A row of tries, and what they are: before the first, or where there is room behind."""
        for tried in tries:
            sign = CROSS if tried.loss is None else TRIANGLE
            plot.sign((plot.x(tried.rate), y), sign, self.colours[name], _says(name, tried))
        note = f"{self.names[name]}: {', '.join(dict.fromkeys(result(t) for t in tries))}"
        first, last = plot.x(tries[0].rate), plot.x(tries[-1].rate)
        before = first - plot.left > CHARACTER * len(note)
        x, anchor = (first - 10, "end") if before else (last + 10, "start")
        plot.text((x, y + 4), note, self.colours[name], anchor)

    def _within(self, name: str) -> list[Try]:
        tries = self.shown[name].tries
        return [t for t in tries if t.loss is not None and t.loss <= self._highest]


def _says(name: str, tried: Try, more: str = "") -> Says:
    """A mark's description; it is of no row of the table."""
    return Says(0, f"{name} at {figures.learning_rate(tried.rate)}: {result(tried)}{more}")


HEADER = ("Method", "Tried, and the validation loss", "Chosen", "Bracketed", "Tries", "Seed")


def learning_rates(
    records: Sequence[Record], standing: Standing, pick: Variant | None
) -> Chart | None:
    """The chart of the tuning cells; None without any. `standing` is that of the other cells."""
    searched = _named(records)
    if not searched:
        return None
    shown = dict(list(searched.items())[:MOST_ROWS])
    sweep = Sweep(shown, _colours(shown, standing, pick))
    return chart(
        "rates",
        "Learning rates",
        f"Lines of the validation loss of {text.plural(len(shown), 'method')} over the learning "
        "rate; of each, the chosen rate is filled.",
        " ".join([*_caption(searched, standing), *sweep.legend, *_doubts(searched)]),
        plain("Learning rates", HEADER, [_row(n, s) for n, s in searched.items()], textual=[1]),
        *([sweep.draw] if sweep.losses else []),
    )


def _named(records: Sequence[Record]) -> Searches:
    """Every search by its arithmetic, and the model and the task where they vary."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.cell.model.id, record.cell.task), []).append(record)
    varying = [n for n in (0, 1) if len({key[n] for key in groups}) > 1]
    return {
        text.clean(" · ".join([name, *(key[n] for n in varying)])): search
        for key, alike in groups.items()
        for name, search in searches(alike).items()
    }


def _colours(shown: Searches, standing: Standing, pick: Variant | None) -> dict[str, str]:
    """The colour that a row of the method has in the chart of losses, or one that is free."""
    used = palette(standing, pick)
    rows = {a.cell.arithmetic: used[a.id] for a in reversed(standing.variants) if a.id in used}
    wanted = {rows[s.arithmetic]: name for name, s in shown.items() if s.arithmetic in rows}
    colours = {name: colour for colour, name in wanted.items()}
    free = iter([colour for colour in SERIES if colour not in wanted])
    return {name: colours.get(name) or next(free, "muted") for name in shown}


def _caption(searched: Searches, standing: Standing) -> Iterator[str]:
    tries = [t.record.cell for search in searched.values() for t in search.tries]
    data = dict.fromkeys(cell.validation_data for cell in tries)
    held_out = text.listed([text.plural(d.examples, "held-out example") for d in data if d])
    seeds = sorted({cell.seed for cell in tries})
    shared = set(seeds) & {r.cell.seed for r in standing.records}
    whose = "reported runs have as well" if shared else "no reported run has"
    yield (
        f"Loss at the end of training, on {held_out or 'held-out examples'}, which are neither "
        f"trained on nor evaluated, with {'seed' if len(seeds) == 1 else 'seeds'} "
        f"{text.listed([str(s) for s in seeds])}, which {whose}."
    )
    yield _effort(searched)
    if any(a.cell.arithmetic not in ("", a.cell.composition) for a in standing.variants):
        yield "What changes memory or kernels alone trains at the rate of the method that it joins."


def _effort(searched: Searches) -> str:
    """How many tries there were; that they were equally many only where they were."""
    counts: dict[int, list[str]] = {}
    for name, search in searched.items():
        counts.setdefault(len(search.tries), []).append(text.code(name))
    if len(counts) == 1:
        whose = "Every method got the same number of tries" if len(searched) > 1 else "Tries"
        return f"{whose}: {next(iter(counts))}."
    result = [f"{count} for {text.listed(names)}" for count, names in sorted(counts.items())]
    return f"The number of tries differs: {'; '.join(result)}."


def _doubts(searched: Searches) -> Iterator[str]:
    """Which choices are none, or may be beaten by a rate beyond those that were tried."""
    doubts: dict[str, list[str]] = {}
    for name, search in searched.items():
        if search.best is None:
            doubts.setdefault("No rate came to a loss", []).append(text.code(name))
        elif not search.bracketed:
            end = "lowest" if search.best is search.tries[0] else "highest"
            doubt = f"Not bracketed, as the {end} rate was the best and a better may lie beyond"
            doubts.setdefault(doubt, []).append(text.code(name))
    yield from (f"{doubt}: {text.listed(names)}." for doubt, names in doubts.items())


def _row(name: str, search: Search) -> list[str | Markup]:
    tried = (f"{figures.learning_rate(t.rate)}: {result(t)}" for t in search.tries)
    return [
        name,
        # Each try in one piece.
        Markup(", ").join(Markup('<span class="option">{}</span>').format(t) for t in tried),
        figures.learning_rate(search.best.rate) if search.best else "none",
        "yes" if search.bracketed else "no",
        str(len(search.tries)),
        text.listed(sorted({str(t.record.cell.seed) for t in search.tries})),
    ]
