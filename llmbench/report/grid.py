"""Tables of one cell: what its phases took, what its peak was made of, what the GPU was like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmbench.arm import Arm
from llmbench.format import size
from llmbench.record import Conditions, Record
from llmbench.report import peak, words
from llmbench.report.run import show

KINDS = {
    "allocated_bytes": "Allocated",
    "reserved_bytes": "Reserved",
    "process_bytes": "Process on the GPU",
    "outside_bytes": "Outside the allocator",
    "paged_bytes": "Paged",
    "host_growth_bytes": "Host memory growth",
}
"""Kinds of memory, as far as they were measured."""


@dataclass(frozen=True)
class Grid:
    """A table: the first column holds the names of the rows."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def grids(record: Record) -> tuple[Grid, ...]:
    """All there is to say of the cell."""
    return tuple(grid for grid in (_phases(record), _peak(record), _gpu(record)) if grid.rows)


def _phases(record: Record) -> Grid:
    """Seconds and memory of each phase; only the kinds of memory that there were."""
    memories = [phase.memory for phase in record.phases.values()]
    held = [k for k in KINDS if any(getattr(m, k) is not None for m in memories)]
    if not any(m.paged_bytes for m in memories):
        held = [k for k in held if k != "paged_bytes"]
    rows = []
    for name, phase in record.phases.items():
        figures = (getattr(phase.memory, k) for k in held)
        memory = (words.DASH if f is None else size(f) for f in figures)
        probes = (f"{k} {show(v)}" for p in phase.probes.values() for k, v in p.items())
        shown = "train (first loss only)" if name == "train" and not record.cell.trains else name
        rows.append((shown, words.seconds(phase.seconds), *memory, words.clean(", ".join(probes))))
    header = ("Phase", "Time", *(KINDS[k] for k in held))
    if any(row[-1] for row in rows):
        return Grid("Phases", (*header, "Probes"), tuple(rows))
    return Grid("Phases", header, tuple(row[:-1] for row in rows))


def _peak(record: Record) -> Grid:
    """What the train phase's peak was made of, and what it was predicted to be."""
    rows = (
        ("predicted" if found.predicted else "measured", *found.texts)
        for found in peak.peaks(Arm((record,)))
    )
    return Grid("What the peak is made of", ("Train phase", *peak.HEADER), tuple(rows))


def _gpu(record: Record) -> Grid:
    """What the GPU was like in each phase."""
    header = (
        "Phase",
        "Clock",
        "Its limit",
        "Temperature, highest",
        "Power, mean",
        "Held down by",
        "Other processes",
        "Samples",
    )
    rows = (
        (name, *_conditions(phase.conditions))
        for name, phase in record.phases.items()
        if phase.conditions
    )
    return Grid("The GPU", header, tuple(rows))


def _conditions(seen: Conditions) -> Iterator[str]:
    yield _clock(seen)
    yield _with(seen.clock_limit_mhz, "MHz")
    yield _with(seen.temperature_celsius, "°C")
    yield _with(seen.power_watts, "W")
    yield words.cut(", ".join(seen.throttle_reasons), 300) or "nothing"
    yield str(seen.other_processes)
    yield str(seen.samples)


def _clock(seen: Conditions) -> str:
    """`1,560 to 1,980 MHz, median 1,665`."""
    if seen.clock_mhz is None:
        return words.DASH
    low, middle, high = seen.clock_mhz
    if low == high:
        return f"{low:,} MHz"
    return f"{low:,} to {high:,} MHz, median {middle:,}"


def _with(value: float | None, unit: str) -> str:
    return words.DASH if value is None else f"{value:,.0f} {unit}"
