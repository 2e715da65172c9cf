"""Each cell in detail: how it ended, what it was, what was in force, what it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from llmbench.analysis import fairness
from llmbench.analysis.learning import DID_NOT_LEARN
from llmbench.analysis.standing import Standing
from llmbench.machine import Environment
from llmbench.output.methods import record_status
from llmbench.output.table import Table, plain
from llmbench.record.comparison import Comparison, Header
from llmbench.record.figure import after, before, predicted_memory
from llmbench.record.record import Conditions, DataRef, Parameters, Record
from llmbench.record.variant import Variant
from llmbench.text import DASH, clean, cut, plural
from llmbench.units import count, percent, seconds, size
from llmbench.wording import peak, predicted
from llmbench.wording.precision import precision

KINDS = {
    "allocated_bytes": "Allocated",
    "reserved_bytes": "Reserved",
    "process_bytes": "Process on the GPU",
    "outside_bytes": "Outside the allocator",
    "paged_bytes": "Paged",
    "host_growth_bytes": "RAM",
}
"""Kinds of memory, as far as they were measured."""


def grids(record: Record) -> tuple[Table, ...]:
    """All there is to say of the cell."""
    return tuple(grid for grid in (_phases(record), _peak(record), _gpu(record)) if grid.rows)


def _phases(record: Record) -> Table:
    """Seconds and memory of each phase; only the kinds of memory that there were."""
    memories = [phase.memory for phase in record.phases.values()]
    kinds = [k for k in KINDS if any(getattr(m, k) is not None for m in memories)]
    if not any(m.paged_bytes for m in memories):
        kinds = [k for k in kinds if k != "paged_bytes"]
    rows = []
    for name, phase in record.phases.items():
        figures = (getattr(phase.memory, k) for k in kinds)
        memory = (DASH if f is None else size(f) for f in figures)
        probes = (f"{k} {show(v)}" for p in phase.probes.values() for k, v in p.items())
        shown = "train (first loss only)" if name == "train" and not record.cell.trains else name
        rows.append((shown, seconds(phase.seconds), *memory, clean(", ".join(probes))))
    header = ("Phase", "Time", *(KINDS[k] for k in kinds))
    if any(row[-1] for row in rows):
        return plain("Phases", (*header, "Probes"), rows)
    return plain("Phases", header, [row[:-1] for row in rows])


def _peak(record: Record) -> Table:
    """What the train phase's peak was made of, and what it was predicted to be."""
    rows = (
        ("predicted" if known.predicted else "measured", *known.texts)
        for known in peak.peaks(Variant((record,)))
    )
    return plain("What the peak is made of", ("Train phase", *peak.HEADER), list(rows))


def _gpu(record: Record) -> Table:
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
    seen = [
        (name, tuple(_conditions(phase.conditions)))
        for name, phase in record.phases.items()
        if phase.conditions
    ]
    rows = [
        (", ".join(name for name, _ in alike), *conditions)
        for conditions, alike in groupby(seen, key=lambda pair: pair[1])
    ]
    return plain("The GPU", header, rows)


def _conditions(seen: Conditions) -> Iterator[str]:
    yield _clock(seen)
    yield _with(seen.clock_limit_mhz, "MHz")
    yield _with(seen.temperature_celsius, "°C")
    yield _with(seen.power_watts, "W")
    yield cut(", ".join(seen.throttle_reasons), 300) or "nothing"
    yield str(seen.other_processes)
    yield str(seen.samples)


def _clock(seen: Conditions) -> str:
    """`1,560 to 1,980 MHz, median 1,665`."""
    if seen.clock_mhz is None:
        return DASH
    low, middle, high = seen.clock_mhz
    if low == high:
        return f"{low:,} MHz"
    return f"{low:,} to {high:,} MHz, median {middle:,}"


def _with(value: float | None, unit: str) -> str:
    return DASH if value is None else f"{value:,.0f} {unit}"


DIGEST = 12
"""Characters shown of a digest or a revision."""


@dataclass(frozen=True)
class Fact:
    """A name, what it is, and where that came from."""

    name: str
    value: str
    origin: str = ""


def setting_up(comparison: Comparison) -> tuple[Fact, ...]:
    """Model, data, precision and machine."""
    header = comparison.header
    facts = []
    if header.plan.cells:
        cell = header.plan.cells[0].cell
        revision = f", revision {cell.model.revision[:DIGEST]}" if cell.model.revision else ""
        if cell.model.digest:
            revision += f", digest {cell.model.digest[:DIGEST]}…"
        facts += [
            Fact("Model", clean(f"{cell.model.id} ({cell.model.weights} weights{revision})")),
            Fact("Task", clean(cell.task)),
            Fact("Trained on", _data(cell.train_data)),
            Fact("Evaluated on", _data(cell.eval_data) if cell.eval_data.examples else "nothing"),
        ]
        if cell.validation_data and cell.validation_data.examples:
            facts.append(Fact("Validated on", _data(cell.validation_data)))
    if header.data_fields:
        fields = dict(header.data_fields)
        known = f" ({fields.pop('format')})" if "format" in fields else ""
        read = ", ".join(f"{role} from {name}" for role, name in fields.items())
        facts.append(Fact("Fields read", clean(read + known)))
    types = precision(comparison.records)
    if types:
        facts.append(Fact("Precision", types))
    return (*facts, *_machine(header.environment), Fact("Run at", clean(header.created_at)))


def configuration(header: Header) -> Table:
    """Every value of the configuration, and where it came from."""
    values: dict[str, Any] = {}
    for name, value in header.configuration.items():
        values |= value if name == "settings" and isinstance(value, dict) else {name: value}
    rows = [
        (clean(name), show(value), clean(header.origins.get(name, "")) or DASH)
        for name, value in values.items()
    ]
    return plain("The whole configuration", ("Option", "Value", "From"), rows, textual=[1, 2])


def _machine(environment: Environment) -> Iterator[Fact]:
    memory = size(environment.device_memory_bytes)
    driver = f", driver {environment.driver}" if environment.driver else ""
    number = f"{environment.device_count} of " if environment.device_count > 1 else ""
    device = f"{number}{environment.device_name}, {memory}{driver}"
    yield Fact("Device", clean(device))
    if environment.device == "cuda":
        cores = plural(environment.cpu_count, "core")
        host = f"{environment.cpu_name}, {cores}, {size(environment.memory_bytes)}"
        yield Fact("Host", clean(host))
    yield Fact("System", clean(f"{environment.system}, Python {environment.python}"))
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    yield Fact("Versions", clean(versions))


def _data(data: DataRef) -> str:
    digest = f", SHA-256 {data.sha256[:DIGEST]}…" if data.sha256 else ""
    return clean(f"{data.name}, {plural(data.examples, 'example')}{digest}")


def label(name: str) -> str:
    """A name of a setting or an option for a person."""
    return clean(name).replace("_", " ")


def show(value: Any) -> str:
    """A configured value for a person."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{clean(str(k))} {show(v)}" for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(show(v) for v in value)
    return cut(str(value), 500)


MOST_DETAILS = 40
"""Cells with details on the page; of more, those that did not end well come first."""

TRACEBACK = 4000
"""Characters kept of a traceback or a log's end, from its end."""


@dataclass(frozen=True)
class Detail:
    """All that the page says of one cell."""

    number: int
    name: str
    status: str
    good: bool
    reason: str
    traceback: str
    facts: tuple[Fact, ...]
    settings: tuple[Fact, ...]
    in_force: tuple[Fact, ...]
    """Where it differs from other cells."""
    grids: tuple[Table, ...]
    warnings: tuple[str, ...]


def detailed(standing: Standing) -> frozenset[str]:
    """Ids of the cells that get details."""
    ranked = sorted(standing.records, key=lambda r: r.status in {"ok", "skipped"})
    return frozenset(r.cell.id for r in ranked[:MOST_DETAILS])


def in_force(standing: Standing) -> tuple[Fact, ...]:
    """What was the same in every cell that a worker saw train, whatever was asked for."""
    seen = [tuple(_in_force(r)) for r in standing.records if r.cell.trains and fairness.traits(r)]
    shared = set.intersection(*map(set, seen)) if seen else set()
    return tuple(fact for fact in (seen[0] if seen else ()) if fact in shared)


def details(standing: Standing, linked: frozenset[str]) -> tuple[Detail, ...]:
    """The cells with details, in their order."""
    shared = frozenset(in_force(standing))
    return tuple(
        _detail(number, record, standing, shared)
        for number, record in enumerate(standing.records, start=1)
        if record.cell.id in linked
    )


def _detail(number: int, record: Record, standing: Standing, shared: frozenset[Fact]) -> Detail:
    # What was warned of in every run stands among the first things to know.
    of_all = set.intersection(*(set(r.warnings) for r in standing.records))
    wrong, finding = (
        standing.problems.get(record.cell.id, ""),
        standing.unlearnt.get(record.cell.id),
    )
    status = "wrong first loss" if wrong else DID_NOT_LEARN if finding else ""
    return Detail(
        number=number,
        name=standing.cell_names[record.cell.id],
        status=(record.status == "ok" and status) or record_status(record),
        good=record.status == "ok" and not status,
        reason=cut(wrong or (finding.sentences if finding else record.reason or ""), 2000),
        traceback=_end(record.traceback or ""),
        facts=tuple(_facts(record)),
        settings=tuple(_changes(record)),
        in_force=tuple(fact for fact in _in_force(record) if fact not in shared),
        grids=grids(record),
        warnings=tuple(cut(w, 500) for w in record.warnings if w not in of_all),
    )


def _facts(record: Record) -> Iterator[Fact]:
    yield Fact("Run", clean(record.cell.id))
    packages = dict.fromkeys(m.distribution for m in record.cell.members)
    yield Fact("Strategies from", clean(", ".join(packages)))
    for member in record.cell.members:
        if member.options:
            options = ", ".join(f"{label(k)} {show(v)}" for k, v in member.options.items())
            yield Fact(f"Options of {clean(member.id)}", options)
    if record.parameters:
        yield Fact("Parameters", _parameters(record.parameters, record.cell.trains))
    yield from _learnt(record)
    if predicted_memory(record):
        yield Fact("Peak memory predicted", predicted.predicted(record))
    if record.evaluated_in:
        yield Fact("Evaluated", "with another seed: untrained, it predicts the same with each")
    if record.generation:
        made = record.generation
        text = f"{made.new_tokens:,} new tokens in {seconds(made.seconds)}"
        yield Fact("Generated", text)
    yield from _times(record)


def _parameters(counts: Parameters, trains: bool) -> str:
    """`39M of 6.7B trained (0.59 %), 96 % of all quantised, 96 % with an adapter beside them`."""
    share = f" ({percent(counts.trainable, counts.total)})" if counts.total else ""
    clauses = [f"{count(counts.trainable)} of {count(counts.total)} trained{share}"]
    if not trains:
        clauses = [f"{count(counts.total)}, none trained"]
    if counts.packed:
        clauses.append(f"{percent(counts.packed, counts.total)} of all quantised")
    if counts.adapted:
        clauses.append(f"{percent(counts.adapted, counts.total)} with an adapter beside them")
    return ", ".join(clauses)


def _learnt(record: Record) -> Iterator[Fact]:
    """The validation loss, and what a step did to the weights."""
    start, end = before(record), after(record)
    if start is not None:
        yield Fact("Validation loss", f"{start:.3f}" + (f", at the end {end:.3f}" if end else ""))
    if record.moved:
        share = percent(record.moved.share, 1)
        meant = percent(record.moved.meant, 1) if record.moved.meant is not None else ""
        text = f"{share} of them" + (f", of {meant} that were meant to change" if meant else "")
        yield Fact(f"Weights changed by step {record.moved.step}", text)


def _times(record: Record) -> Iterator[Fact]:
    if record.started_at:
        yield Fact("Started", clean(record.started_at))
    if record.start_seconds is not None:
        yield Fact("Process started in", seconds(record.start_seconds))
    if record.seconds is not None:
        yield Fact("Took", seconds(record.seconds))
    if record.attempt > 1:
        yield Fact("Attempt", _attempts(record))


def _attempts(record: Record) -> str:
    """`3; attempt 1 ended oom in train, attempt 2 ended killed in load`."""
    ends = (
        f"attempt {a.attempt} ended {a.status}" + (f" in {a.phase}" if a.phase else "")
        for a in record.earlier
    )
    return "; ".join(filter(None, [str(record.attempt), ", ".join(ends)]))


def _changes(record: Record) -> Iterator[Fact]:
    for name, value in record.cell.declared.items():
        yield Fact(label(name), show(value), "declared by the strategy")


def _in_force(record: Record) -> Iterator[Fact]:
    """What the worker saw, whatever was asked for."""
    for name, value in fairness.traits(record).items():
        seen = fairness.trait(name).label.removeprefix("the ")
        yield Fact(clean(seen[:1].upper() + seen[1:]), cut(value, 500))


def _end(text: str) -> str:
    text = clean(text)
    return text if len(text) <= TRACEBACK else f"…{text[-TRACEBACK:]}"


MOST_ROWS = 40
"""Cells in the table."""


def differing(standing: Standing) -> Table:
    """What the methods do not share; without rows where that is nothing."""
    trained = [
        variant
        for variant in standing.variants
        if variant.cell.trains and variant.first.status != "skipped"
    ]
    rows = [(variant, {**settings(variant.first), **traits(variant.first)}) for variant in trained]
    names = list(dict.fromkeys(n for _, values in rows for n in values))
    # What a cell never got to say is no difference.
    names_shown = [n for n in names if len({v[n] for _, v in rows if v.get(n)}) > 1]
    cells = [
        (standing.names[variant.id], *(values.get(n) or DASH for n in names_shown))
        for variant, values in rows[:MOST_ROWS]
    ]
    declared = _declared(standing.records)
    header = ("Method", *(f"{n}{declared.get(n, '')}" for n in names_shown))
    title = "What differs between methods"
    return plain(title, header, cells if names_shown else [], textual=range(1, len(header)))


def settings(record: Record) -> dict[str, str]:
    """The cell's settings by their names for a person."""
    return {label(n): show(v) for n, v in record.cell.settings.model_dump().items()}


def traits(record: Record) -> dict[str, str]:
    """What was in force, likewise."""
    return {_title(name): clean(v) for name, v in fairness.traits(record).items()}


def _declared(records: Sequence[Record]) -> Mapping[str, str]:
    """What is to be added to a name: whether the difference is declared, where that is known."""
    names = {label(n) for r in records for n in r.cell.declared}
    names |= {_title(n) for r in records for n in fairness.traits(r) if fairness.ours(r, n)}
    unfair = {d.name.removeprefix("the ") for d in fairness.unfair(records)}
    return {**dict.fromkeys(names, " (declared)"), **dict.fromkeys(unfair, " (not declared)")}


def _title(name: str) -> str:
    return clean(fairness.trait(name).label.removeprefix("the "))
