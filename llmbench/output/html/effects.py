"""What each part does: a row for every place in which its effect was seen, and a chart of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmbench.analysis import effects
from llmbench.analysis.effects import MOST_EFFECTS, Effect, Part
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.interval import Interval
from llmbench.analysis.statistics.verdict import Verdict
from llmbench.output.html.charts.bars import heading, rows_plot
from llmbench.output.html.charts.chart import MOST_ROWS, Chart, chart
from llmbench.output.html.charts.plot import Plot, Says, Scale
from llmbench.output.html.prose import prose
from llmbench.output.table import Column, Row, Table, Value, plain
from llmbench.text import clean, code, listed, plural
from llmbench.units import MINUS, share, size
from llmbench.wording import figures, phrases


def name(part: Part) -> str:
    """`` `lora` instead of `full` ``, set as code."""
    if part.instead_of:
        return f"{code(part.added)} instead of {code(part.instead_of)}"
    return code(part.added)


def where(effect: Effect) -> str:
    """`` on `lora` ``, or what stands beside an exchange."""
    if not effect.part.instead_of:
        return f"on {code(effect.before)}"
    return f"with {code(effect.rest)}" if effect.rest else "by itself"


def memory(effect: Effect) -> Value:
    """How much the peak grows, and by what share."""
    change = effect.memory
    details = [share(effect.memory_share), _sizes(change) if change.low < change.high else ""]
    return Value(signed_size(change.estimate), detail=" ".join(d for d in details if d))


def speed(effect: Effect) -> Value:
    """By what share the tokens per second grow."""
    if effect.speed_share is None:
        return Value("", absent="not measured")
    spread = _shares(effect.speed) if effect.speed else ""
    return Value(share(effect.speed_share), detail=spread)


def quality(effect: Effect) -> Value:
    """By how much the score grows."""
    if effect.quality is None:
        return Value("", absent="not measured")
    change = effect.quality.difference
    estimate, _, bounds = figures.difference(change).partition(" ")
    return Value(estimate, detail=_judged(bounds, effect.quality))


def signed_size(value: float) -> str:
    """A change in bytes, with its sign: `+11.4 GiB`; `0` where there is none."""
    return f"{_sign(value)}{size(abs(value))}" if value else "0"


def _sizes(interval: Interval) -> str:
    return f"[{signed_size(interval.low)}, {signed_size(interval.high)}]"


def _shares(verdict: Verdict) -> str:
    low, high = share(verdict.difference.low), share(verdict.difference.high)
    return _judged(f"[{low.removesuffix(' %')}, {high}]" if low != high else "", verdict)


def _judged(bounds: str, verdict: Verdict) -> str:
    """The bounds, and what they amount to where that is not to be seen from them."""
    unclear = "" if verdict.word in ("better", "worse") else verdict.word
    return ", ".join(text for text in (bounds, unclear) if text)


def _sign(value: float) -> str:
    return "+" if value > 0 else MINUS


@dataclass(frozen=True)
class Parts:
    """All that is known of the parts."""

    table: Table
    notes: tuple[str, ...]
    chart: Chart


def parts(standing: Standing) -> Parts | None:
    """The parts of the competing compositions; None where no two differ in one alone."""
    sign = standing.score.sign if standing.score else 1
    between = standing.differences
    measured = effects.effects(standing.competing, between, standing.margin, sign, standing.speeds)
    if not measured:
        return None
    columns = {standing.memory_label: memory}
    if any(e.speed_share is not None for e in measured):
        columns["Training speed"] = speed
    if standing.score and any(e.quality for e in measured):
        columns[standing.score.label] = quality
    rows = (
        Row(prose(name(e.part)), (Value(prose(where(e))), *(of(e) for of in columns.values())))
        for e in measured
    )
    heads = (Column("Where", "words"), *map(Column, columns))
    return Parts(
        Table("What each part does", heads, tuple(rows), "Part", "cells"),
        tuple(_notes(measured, standing)),
        _chart(measured, standing),
    )


def _notes(measured: Sequence[Effect], standing: Standing) -> Iterator[str]:
    if any(e.quality or e.speed for e in measured):
        sure = phrases.sure(standing)
        looked_at = f" (those of quality {sure})" if standing.time_budget else ""
        yield (
            f"In brackets: 95 % intervals{looked_at}, which hold for all pairs together. "
            "Undecided: no significant difference. As good: quality changes by less than "
            f"{standing.margin:g}."
        )
    if not standing.cuda:
        yield "RAM scatters from run to run: a change of some percent of it says nothing."
    bundles = {
        m.id: m.bundle for variant in standing.competing for m in variant.cell.members if m.bundle
    }
    for member, joined in bundles.items():
        yield f"{code(member)} counts as one part, and joins {listed(joined)}."
    if len(measured) == MOST_EFFECTS:
        yield f"Only the first {MOST_EFFECTS} are shown."


def _chart(measured: Sequence[Effect], standing: Standing) -> Chart:
    shown = measured[:MOST_ROWS]
    return chart(
        "parts",
        "What each part changes",
        f"Bars of the changes by {plural(len(shown), 'part')}.",
        f"Change in percent of what it is without the part: {standing.memory_word} above, training "
        "speed below. The accent is for the better."
        + (
            f" {len(measured) - len(shown)} more are in the table only."
            if measured[MOST_ROWS:]
            else ""
        ),
        plain("What each part changes", ["Part"], []),
        lambda: _bars(shown, standing),
    )


def _bars(shown: Sequence[Effect], standing: Standing) -> Plot:
    """Two thin bars for each part, from zero to its change."""
    changes = [100 * change for e in shown for _, change, _ in _changes(e, standing)]
    ends = [0.0, *changes]
    room = 0.05 * (max(ends) - min(ends)) or 1.0
    plot = rows_plot(Scale("Change, %", min(ends) - room, max(ends) + room), len(shown))
    numbers = {a.cell.composition: standing.numbers[a.id] for a in reversed(standing.competing)}
    zero = plot.x(0)
    for number, effect in enumerate(shown):
        name = _row_name(effect)
        y = heading(plot, number, name)
        for line, (what, change, good) in enumerate(_changes(effect, standing)):
            x = plot.x(100 * change)
            says = Says(numbers[effect.after], f"{name}, {what}: {share(change)}")
            colour = "accent" if good else "soft"
            plot.bar((min(x, zero), y + 6 * line), abs(x - zero), 5, colour, says)
    plot.rule((zero, plot.top), (zero, plot.bottom), "muted")
    return plot


def _changes(effect: Effect, standing: Standing) -> Iterator[tuple[str, float, bool]]:
    """Panel, change as a share, and whether it is for the better."""
    yield standing.memory_word, effect.memory_share, effect.memory_share < 0
    if effect.speed_share is not None:
        better = effect.speed is not None and effect.speed.word == "better"
        yield "training speed", effect.speed_share, better


def _row_name(effect: Effect) -> str:
    """`4-bit, lora`: short enough for an axis."""
    added, old = effect.part.added, effect.part.instead_of
    head = f"{added} for {old}" if old else added
    beside = effect.rest if old else effect.before
    return clean(f"{head}, {beside}" if beside else head)
