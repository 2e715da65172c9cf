"""Bars: memory per phase and what its peak is made of; and how long steps took, as ticks.

A row's name stands above its bar, so that both have the drawing's whole width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from llmbench import text, units
from llmbench.analysis.standing import Standing
from llmbench.output.html.charts.chart import Chart, bytes_unit, chart, chosen, left_out
from llmbench.output.html.charts.plot import (
    BOTTOM,
    CHARACTER,
    LINE,
    STACK,
    WIDTH,
    Plot,
    Says,
    Scale,
)
from llmbench.output.table import plain
from llmbench.record.figure import measured_steps
from llmbench.record.record import PHASES, Memory, Phase, Record
from llmbench.record.variant import Variant
from llmbench.units import size
from llmbench.wording import peak, phrases
from llmbench.wording.labels import short_names
from llmbench.wording.peak import PARTS, Peak

ROW = 33
"""Height of a row: its name, and its bar."""
MARGIN = 2
"""Room at both sides of the bars."""


def rows_plot(x: Scale, count: int, top: float = 4) -> Plot:
    """A drawing for so many rows on one scale."""
    plot = Plot(x, height=top + ROW * count + BOTTOM, left=MARGIN, right=14, top=top)
    plot.axes()
    return plot


def heading(plot: Plot, number: int, name: str, figure: str = "", label: str = "") -> float:
    """Write the name of a row, and its figure at the right; where its bar begins.

    `label` is what stands for a name that is too long.
    """
    y = plot.top + ROW * number + 13
    most = int((WIDTH - 2 * MARGIN) / CHARACTER) - len(figure) - 2
    plot.text((plot.left, y), text.short(name if len(name) <= most else label or name, most))
    if figure:
        plot.text((WIDTH - MARGIN, y), figure, "muted", "end")
    return y + 5


MOST_TICKS = 80
"""Steps drawn per cell; of more, every so manieth."""


def phase_bytes(record: Record, phase: Phase) -> int | None:
    """Peak of a phase in the terms of the headline: allocated, or the host's growth."""
    measured = record.phases.get(phase)
    if measured is None or (phase == "train" and not record.cell.trains):
        return None
    return headline_bytes(measured.memory)


def headline_bytes(memory: Memory) -> int | None:
    """What tensors held on the GPU; without one, the growth on the host."""
    if memory.allocated_bytes is not None:
        return memory.allocated_bytes
    return memory.host_growth_bytes


def _peak(variant: Variant, phase: Phase) -> float | None:
    return variant.mean(lambda record: phase_bytes(record, phase))


def memory_per_phase(standing: Standing, pick: Variant | None) -> Chart | None:
    """A bar for each phase of each row."""
    peaks = {
        (variant.id, phase): _peak(variant, phase)
        for variant in standing.variants
        for phase in PHASES
    }
    measured = [
        variant for variant in standing.variants if any(peaks[variant.id, p] for p in PHASES)
    ]
    if not measured:
        return None
    shown = chosen(measured, [*([pick] if pick else []), *standing.level(), *standing.competing])
    word = standing.memory_word
    rows = [
        [standing.names[variant.id], *(_bytes_text(peaks[variant.id, p]) for p in PHASES)]
        for variant in measured
    ]
    return chart(
        "phases",
        "Memory per phase",
        f"Bars of the {word} of {text.plural(len(shown), phrases.row(standing))} in each phase.",
        f"From top to bottom: {', '.join(PHASES)}. The peak of each phase on its own, counters "
        "reset in between; the accent is training, which the headline figure is taken from."
        + left_out(measured, shown),
        plain("Memory per phase", ["Method", *PHASES], rows),
        lambda: _phases(shown, peaks, standing),
    )


def _phases(
    shown: Sequence[Variant], peaks: dict[tuple[str, Phase], float | None], standing: Standing
) -> Plot:
    """Five thin bars for each row."""
    largest = max(b for variant in shown for p in PHASES if (b := peaks[variant.id, p]) is not None)
    unit, factor = bytes_unit(largest)
    plot = rows_plot(Scale(unit, 0, largest / factor * 1.05), len(shown))
    short = short_names(standing)
    for number, variant in enumerate(shown):
        name, train = standing.names[variant.id], peaks[variant.id, "train"]
        y = heading(plot, number, name, "" if train is None else size(train), short[variant.id])
        for line, phase in enumerate(PHASES):
            if (amount := peaks[variant.id, phase]) is not None:
                says = Says(standing.numbers[variant.id], f"{name}, {phase}: {size(amount)}")
                colour = "accent" if phase == "train" else "soft"
                width = plot.x(amount / factor) - plot.left
                plot.bar((plot.left, y + 2.8 * line), width, 2, colour, says)
    return plot


def step_times(standing: Standing, pick: Variant | None) -> Chart | None:
    """A tick for each step of each row."""
    trained = [variant for variant in standing.variants if _counted(variant)]
    if not trained:
        return None
    shown = chosen(trained, [*([pick] if pick else []), *standing.level(), *standing.competing])
    count = text.plural(len(shown), phrases.row(standing))
    return chart(
        "steps",
        "Step times",
        f"Ticks of the seconds that each optimiser step took, for {count}.",
        "A tick per step, the dot is the median. Faint ticks are the burn-in, which does not "
        "count; the slowest of them may lie beyond the axis." + left_out(trained, shown),
        plain(
            "Step times",
            ["Method", "Fastest", "Median", "Slowest", "Burn-in, slowest"],
            _step_rows(trained, standing),
        ),
        lambda: _strips(shown, standing),
    )


def _strips(shown: Sequence[Variant], standing: Standing) -> Plot:
    """A tick per step, and a dot at the median."""
    unit, factor = ("s", 1.0) if max(map(_typical, shown)) >= 1 else ("ms", 1000.0)
    end = max(_far(variant) for variant in shown) * factor * 1.05
    plot = rows_plot(Scale(f"Time of a step, {unit}", 0, end), len(shown))
    short = short_names(standing)
    for number, variant in enumerate(shown):
        name, middle = standing.names[variant.id], _typical(variant)
        y = heading(plot, number, name, units.seconds(middle), short[variant.id])
        for wanted, colour in ((False, "grid"), (True, "soft")):
            times = [s * factor for s, counts in _ticks(variant) if counts is wanted]
            plot.ticks([plot.x(x) for x in times if x <= end], y, 11, colour)
        says = Says(standing.numbers[variant.id], f"{name}: median {units.seconds(middle)} a step")
        plot.dot((plot.x(middle * factor), y + 5.5), "accent", "accent", 3.5, says)
    return plot


def _ticks(variant: Variant) -> list[tuple[float, bool]]:
    burn_in = variant.cell.settings.burn_in_steps
    every = max(1, sum(len(r.steps) for r in variant.counted) // MOST_TICKS)
    return [
        (s.seconds, n >= burn_in and not s.compile_seconds)
        for r in variant.counted
        for n, s in enumerate(r.steps)
        if n % every == 0
    ]


def _counted(variant: Variant) -> list[float]:
    return [s.seconds for r in variant.counted for s in measured_steps(r)]


def _typical(variant: Variant) -> float:
    return median(_counted(variant))


def _far(variant: Variant) -> float:
    """The slowest step that counts, unless it is so slow that all others would be squeezed."""
    return min(max(_counted(variant)), 4 * _typical(variant))


def _step_rows(variants: Sequence[Variant], standing: Standing) -> list[list[str]]:
    rows = []
    for variant in variants:
        times, count = _counted(variant), variant.cell.settings.burn_in_steps
        burn_in = [s.seconds for r in variant.counted for s in r.steps[:count]]
        figures = [min(times), median(times), max(times), *([max(burn_in)] if burn_in else [])]
        texts = [units.seconds(f) for f in figures]
        rows.append([standing.names[variant.id], *texts, *([] if burn_in else [text.DASH])])
    return rows


def _bytes_text(value: float | None) -> str:
    return text.DASH if value is None else size(value)


def peak_stacks(standing: Standing, pick: Variant | None) -> Chart | None:
    """The chart; None where nothing is known of any peak."""
    known = {
        variant: drawn_peaks
        for variant in standing.variants
        if (drawn_peaks := tuple(peak.peaks(variant)))
    }
    if not known:
        return None
    preferred = [*([pick] if pick else []), *standing.level(), *standing.competing]
    shown = chosen(tuple(known), preferred)
    drawn = [drawn_peaks for variant in shown for drawn_peaks in known[variant]]
    return chart(
        "peak",
        "What the peak is made of",
        "Stacked bars of what memory was used for at the peak of the train phase, of "
        f"{text.plural(len(shown), phrases.row(standing))}.",
        _caption(drawn, standing) + left_out(tuple(known), shown),
        plain(
            "What the peak is made of",
            ["Method", *peak.HEADER],
            [_peak_row(p, standing) for peaks in known.values() for p in peaks],
        ),
        lambda: _stacks({variant: known[variant] for variant in shown}, standing),
    )


def _stacks(known: dict[Variant, tuple[Peak, ...]], standing: Standing) -> Plot:
    """A bar made of parts for each row, a thin one under it as predicted, and the limit."""
    end = 1.04 * max(p.total_bytes for peaks in known.values() for p in peaks)
    unit, factor = bytes_unit(end)
    used = [
        n for n in range(len(PARTS)) if any(p.amounts[n] for peaks in known.values() for p in peaks)
    ]
    lines = list(_legend(used))
    limit = _limit(list(known), end)
    top = LINE * (len(lines) + (limit is not None)) + 10
    plot = rows_plot(Scale(unit, 0, end / factor), len(known), top)
    short = short_names(standing)
    for number, line in enumerate(lines):
        for x, part in line:
            plot.bar((x, LINE * number + 3), 9, 9, STACK[part])
            plot.text((x + 13, LINE * number + 12), list(PARTS.values())[part])
    for number, (variant, peaks) in enumerate(known.items()):
        first = peaks[0]
        figure = size(first.total_bytes) + (" predicted" if first.predicted else "")
        y = heading(plot, number, standing.names[variant.id], figure, short[variant.id])
        for bar in peaks:
            height, offset = (3, 10) if bar.predicted else (9, 0)
            _stack(plot, bar, (y + offset, height), factor, standing)
    if limit is not None:
        x = plot.x(limit / factor)
        plot.rule((x, plot.top), (x, plot.bottom), "muted", 1.5, "3 3")
        label = f"the device has {size(limit)}"
        plot.text(
            (min(x, plot.right - CHARACTER * len(label) / 2), top - 4), label, "ink", "middle"
        )
    return plot


def _legend(used: Sequence[int]) -> Iterator[list[tuple[float, int]]]:
    """The parts by their numbers, line by line, each with where it begins."""
    line: list[tuple[float, int]] = []
    x = float(MARGIN)
    for number in used:
        width = 13 + CHARACTER * len(list(PARTS.values())[number]) + 10
        if line and x + width > WIDTH:
            yield line
            line, x = [], float(MARGIN)
        line.append((x, number))
        x += width
    if line:
        yield line


def _stack(
    plot: Plot, bar: Peak, corner: tuple[float, float], factor: float, standing: Standing
) -> None:
    """A rectangle for each part that there is, each where the one before it ends."""
    y, height = corner
    start, whole = 0.0, size(bar.total_bytes)
    name = _name(standing.names[bar.variant.id], bar)
    for colour, label, amount in zip(STACK, PARTS.values(), bar.amounts, strict=True):
        if amount:
            left, right = plot.x(start / factor), plot.x((start + amount) / factor)
            says = Says(
                standing.numbers[bar.variant.id], f"{name}: {label} {size(amount)} of {whole}"
            )
            plot.bar((left, y), right - left, height, colour, says)
        start += amount


def _limit(shown: Sequence[Variant], end: float) -> float | None:
    """How much memory the device has, if it is the same for all and lies on the axis."""
    devices = {a.environment.device_memory_bytes for a in shown if a.environment}
    limit = devices.pop() if len(devices) == 1 else end
    return limit if limit < end else None


def _caption(drawn: Sequence[Peak], standing: Standing) -> str:
    sentences = []
    if not all(bar.predicted for bar in drawn):
        sentences.append(
            "What tensors were held for at the moment of the train phase's peak, from the history "
            "of torch's allocator."
        )
    if any(bar.predicted for bar in drawn):
        sentences.append("Thin bars: as it was predicted from shapes alone, before anything ran.")
    return " ".join([*sentences, *peak.outside(standing)])


def _peak_row(bar: Peak, standing: Standing) -> list[str]:
    return [_name(standing.names[bar.variant.id], bar), *bar.texts]


def _name(name: str, bar: Peak) -> str:
    return f"{name}, predicted" if bar.predicted else name
