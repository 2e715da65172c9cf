"""What each phase took: memory per phase, and how long the steps were, over all seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from llmbench import text
from llmbench.analysis.standing import Standing
from llmbench.output.html.charts import canvas
from llmbench.output.html.charts.canvas import (
    Chart,
    Scale,
    bytes_unit,
    chart,
    chosen,
    left_out,
    unique,
)
from llmbench.record.arm import Arm
from llmbench.record.figure import measured_steps
from llmbench.record.record import PHASES, Memory, Phase, Record
from llmbench.text import size
from llmbench.wording import phrases

MOST_TICKS = 80
"""Steps drawn per cell; of more, every so manieth."""


def phase_bytes(record: Record, phase: Phase) -> int | None:
    """Peak of a phase in the terms of the headline: allocated, or the host's growth."""
    found = record.phases.get(phase)
    if found is None or (phase == "train" and not record.cell.trains):
        return None
    return headline_bytes(found.memory)


def headline_bytes(memory: Memory) -> int | None:
    """What tensors held on the GPU; without one, the growth on the host."""
    if memory.allocated_bytes is not None:
        return memory.allocated_bytes
    return memory.host_growth_bytes


def _peak(arm: Arm, phase: Phase) -> float | None:
    return arm.mean(lambda record: phase_bytes(record, phase))


def memory_per_phase(standing: Standing, pick: Arm | None) -> Chart | None:
    """A bar for each phase of each row."""
    peaks = {(arm.id, phase): _peak(arm, phase) for arm in standing.arms for phase in PHASES}
    measured = [arm for arm in standing.arms if any(peaks[arm.id, p] for p in PHASES)]
    if not measured:
        return None
    shown = chosen(measured, [*([pick] if pick else []), *standing.level(), *standing.competing])
    largest = max(b for b in peaks.values() if b is not None)
    unit, factor = bytes_unit(largest)
    names = unique([standing.names[arm.id] for arm in shown])
    values = [
        {
            "name": name,
            "phase": phase,
            "x": held / factor,
            "colour": canvas.ACCENT if phase == "train" else canvas.SOFT,
            "says": f"[{standing.numbers[arm.id]}] {name}, {phase}: {size(held)}",
        }
        for arm, name in zip(shown, names, strict=True)
        for phase in PHASES
        if (held := peaks[arm.id, phase]) is not None
    ]
    word = standing.memory_word
    rows = [
        [standing.names[arm.id], *(_bytes_text(peaks[arm.id, p]) for p in PHASES)]
        for arm in measured
    ]
    return chart(
        "phases",
        "Memory per phase",
        f"Bars of the {word} of {text.plural(len(shown), phrases.row(standing))} in each phase.",
        "The peak of each phase on its own, counters reset in between; "
        "the accent is the train phase, which the headline figure is taken from."
        + left_out(measured, shown),
        (["Cell", *PHASES], rows),
        lambda: canvas.bars(values, names, PHASES, Scale(unit, 0, largest / factor * 1.05)),
    )


def step_times(standing: Standing, pick: Arm | None) -> Chart | None:
    """A tick for each step of each row."""
    trained = [arm for arm in standing.arms if _counted(arm)]
    if not trained:
        return None
    shown = chosen(trained, [*([pick] if pick else []), *standing.level(), *standing.competing])
    longest = max(_typical(arm) for arm in shown)
    unit, factor = ("s", 1.0) if longest >= 1 else ("ms", 1000.0)
    names = unique([standing.names[arm.id] for arm in shown])
    count = text.plural(len(shown), phrases.row(standing))
    end = max(_far(arm) for arm in shown) * factor * 1.05
    values = [
        {
            "name": name,
            "x": seconds * factor,
            "colour": canvas.SOFT if counts else canvas.GRID,
        }
        for arm, name in zip(shown, names, strict=True)
        for seconds, counts in _ticks(arm)
        if seconds * factor <= end
    ]
    medians = [
        {
            "name": name,
            "x": _typical(arm) * factor,
            "says": f"[{standing.numbers[arm.id]}] {name}: "
            f"median {text.seconds(_typical(arm))} a step",
        }
        for arm, name in zip(shown, names, strict=True)
    ]
    return chart(
        "steps",
        "Step times",
        f"Ticks of the seconds that each optimiser step took, for {count}.",
        "A tick per step, the dot is the median. Faint ticks are the burn-in, which does not "
        "count; the slowest of them may lie beyond the axis." + left_out(trained, shown),
        (
            ["Cell", "Fastest", "Median", "Slowest", "Burn-in, slowest"],
            _step_rows(trained, standing),
        ),
        lambda: canvas.strips(values, medians, names, Scale(f"Time of a step, {unit}", 0, end)),
    )


def _ticks(arm: Arm) -> list[tuple[float, bool]]:
    burn_in = arm.cell.settings.burn_in_steps
    every = max(1, sum(len(r.steps) for r in arm.counted) // MOST_TICKS)
    return [
        (s.seconds, n >= burn_in)
        for r in arm.counted
        for n, s in enumerate(r.steps)
        if n % every == 0
    ]


def _counted(arm: Arm) -> list[float]:
    return [s.seconds for r in arm.counted for s in measured_steps(r)]


def _typical(arm: Arm) -> float:
    return median(_counted(arm))


def _far(arm: Arm) -> float:
    """The slowest step that counts, unless it is so slow that all others would be squeezed."""
    return min(max(_counted(arm)), 4 * _typical(arm))


def _step_rows(arms: Sequence[Arm], standing: Standing) -> list[list[str]]:
    rows = []
    for arm in arms:
        times, count = _counted(arm), arm.cell.settings.burn_in_steps
        burn_in = [s.seconds for r in arm.counted for s in r.steps[:count]]
        figures = [min(times), median(times), max(times), *([max(burn_in)] if burn_in else [])]
        texts = [text.seconds(f) for f in figures]
        rows.append([standing.names[arm.id], *texts, *([] if burn_in else [text.DASH])])
    return rows


def _bytes_text(value: float | None) -> str:
    return text.DASH if value is None else size(value)
