"""What was run: the comparison's set-up, and each cell in detail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmbench.environment import Environment
from llmbench.format import count, size
from llmbench.record import DataRef, Record
from llmbench.report import words
from llmbench.report.standing import Standing
from llmbench.report.table import status_text
from llmbench.store import Comparison, Header

MOST_DETAILS = 40
"""Cells with details on the page; of more, those that did not end well come first."""
TRACEBACK = 4000
"""Characters kept of a traceback or a log's end, from its end."""
DIGEST = 12


@dataclass(frozen=True)
class Fact:
    """A name, what it is, and where that came from."""

    name: str
    value: str
    origin: str = ""


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
    phases: tuple[tuple[str, ...], ...]
    phase_header: tuple[str, ...]
    warnings: tuple[str, ...]


def detailed(standing: Standing) -> frozenset[str]:
    """Ids of the cells that get details."""
    ranked = sorted(standing.records, key=lambda r: r.status in {"ok", "skipped"})
    return frozenset(r.cell.id for r in ranked[:MOST_DETAILS])


def details(standing: Standing, linked: frozenset[str]) -> tuple[Detail, ...]:
    """The cells with details, in their order."""
    return tuple(
        _detail(number, record, standing)
        for number, record in enumerate(standing.records, start=1)
        if record.cell.id in linked
    )


def setting_up(comparison: Comparison) -> tuple[Fact, ...]:
    """Model, data and machine."""
    header = comparison.header
    found = []
    if header.plan.cells:
        cell = header.plan.cells[0].cell
        revision = f", revision {cell.model.revision[:DIGEST]}" if cell.model.revision else ""
        found += [
            Fact("Model", words.clean(f"{cell.model.id} ({cell.model.weights} weights{revision})")),
            Fact("Task", words.clean(cell.task)),
            Fact("Trained on", _data(cell.train_data)),
            Fact("Evaluated on", _data(cell.eval_data)),
        ]
    if header.data_fields:
        fields = (f"{role} from {name}" for role, name in header.data_fields.items())
        found.append(Fact("Fields read", words.clean(", ".join(fields))))
    return (*found, *_machine(header.environment), Fact("Run at", words.clean(header.created_at)))


def configuration(header: Header) -> tuple[Fact, ...]:
    """Every value of the configuration, and where it came from."""
    values: dict[str, Any] = {}
    for name, value in header.configuration.items():
        values |= value if name == "settings" and isinstance(value, dict) else {name: value}
    return tuple(
        Fact(words.clean(name), show(value), words.clean(header.origins.get(name, "")))
        for name, value in values.items()
    )


def differing(
    standing: Standing,
) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """What the cells do not share: the names, and each cell's values.

    Settings that strategies declare, the optimiser's class and the attention kernels that ran.
    """
    rows = [(r, _declared(r)) for r in standing.records if r.cell.trains and r.status != "skipped"]
    names = list(dict.fromkeys(n for _, values in rows for n in values))
    # What a cell never got to say is no difference.
    differing = [n for n in names if len({v[n] for _, v in rows if v.get(n)}) > 1]
    cells = tuple(
        (standing.names[r.cell.id], tuple(values.get(n) or words.DASH for n in differing))
        for r, values in rows[:MOST_DETAILS]
    )
    return tuple(_label(n) for n in differing), cells if differing else ()


def _declared(record: Record) -> dict[str, str]:
    settings = record.cell.settings.model_dump()
    values = {name: show(value) for name, value in settings.items()}
    values["optimizer_class"] = words.clean(record.optimizer or "")
    values["attention_kernels"] = words.clean(", ".join(record.attention_kernels))
    return values


def _detail(number: int, record: Record, standing: Standing) -> Detail:
    header, phases = _phases(record)
    wrong = standing.problems.get(record.cell.id, "")
    return Detail(
        number=number,
        name=standing.names[record.cell.id],
        status=status_text(record, bool(wrong)),
        good=record.status == "ok" and not wrong,
        reason=words.cut(wrong or record.reason or "", 2000),
        traceback=_end(record.traceback or ""),
        facts=tuple(_facts(record)),
        settings=tuple(_changes(record)),
        phases=phases,
        phase_header=header,
        warnings=tuple(words.cut(w, 500) for w in record.warnings),
    )


def _facts(record: Record) -> Iterator[Fact]:
    yield Fact("Cell", words.clean(record.cell.id))
    packages = dict.fromkeys(m.distribution for m in record.cell.members)
    yield Fact("Strategies from", words.clean(", ".join(packages)))
    for member in record.cell.members:
        if member.options:
            options = ", ".join(f"{_label(k)} {show(v)}" for k, v in member.options.items())
            yield Fact(f"Options of {words.clean(member.id)}", options)
    if record.parameters:
        trainable, total = record.parameters.trainable, record.parameters.total
        share = f" ({words.percent(trainable, total)})" if total else ""
        text = f"{count(trainable)} of {count(total)} trained{share}"
        yield Fact("Parameters", text if record.cell.trains else f"{count(total)}, none trained")
    if record.attention_kernels:
        yield Fact("Attention kernels that ran", words.clean(", ".join(record.attention_kernels)))
    if record.optimizer:
        yield Fact("Optimiser class", words.clean(record.optimizer))
    if record.generation:
        made = record.generation
        text = f"{made.new_tokens:,} new tokens in {words.seconds(made.seconds)}"
        yield Fact("Generated", text)
    yield from _times(record)


def _times(record: Record) -> Iterator[Fact]:
    if record.started_at:
        yield Fact("Started", words.clean(record.started_at))
    if record.start_seconds is not None:
        yield Fact("Process started in", words.seconds(record.start_seconds))
    if record.seconds is not None:
        yield Fact("Took", words.seconds(record.seconds))
    if record.attempt > 1:
        yield Fact("Attempt", str(record.attempt))


def _changes(record: Record) -> Iterator[Fact]:
    for name, value in record.cell.declared.items():
        yield Fact(_label(name), show(value), "declared by the strategy")


def _phases(record: Record) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Seconds and memory of each phase; only the kinds of memory that were measured."""
    kinds = {
        "allocated_bytes": "Allocated",
        "reserved_bytes": "Reserved",
        "process_bytes": "Process on the GPU",
        "host_growth_bytes": "Host memory growth",
    }
    held = [
        k for k in kinds if any(getattr(p.memory, k) is not None for p in record.phases.values())
    ]
    rows = []
    for name, phase in record.phases.items():
        figures = (getattr(phase.memory, k) for k in held)
        memory = (words.DASH if f is None else size(f) for f in figures)
        probes = (f"{k} {show(v)}" for p in phase.probes.values() for k, v in p.items())
        label = "train (first loss only)" if name == "train" and not record.cell.trains else name
        rows.append((label, words.seconds(phase.seconds), *memory, words.clean(", ".join(probes))))
    header = ("Phase", "Time", *(kinds[k] for k in held))
    if any(row[-1] for row in rows):
        return (*header, "Probes"), tuple(rows)
    return header, tuple(row[:-1] for row in rows)


def _machine(environment: Environment) -> Iterator[Fact]:
    memory = size(environment.device_memory_bytes)
    driver = f", driver {environment.driver}" if environment.driver else ""
    number = f"{environment.device_count} of " if environment.device_count > 1 else ""
    device = f"{number}{environment.device_name}, {memory}{driver}"
    yield Fact("Device", words.clean(device))
    if environment.device == "cuda":
        cores = words.plural(environment.cpu_count, "core")
        host = f"{environment.cpu_name}, {cores}, {size(environment.memory_bytes)}"
        yield Fact("Host", words.clean(host))
    yield Fact("System", words.clean(f"{environment.system}, Python {environment.python}"))
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    yield Fact("Versions", words.clean(versions))


def _data(data: DataRef) -> str:
    digest = f", SHA-256 {data.sha256[:DIGEST]}…" if data.sha256 else ""
    return words.clean(f"{data.name}, {words.plural(data.examples, 'example')}{digest}")


def _label(name: str) -> str:
    return words.clean(name).replace("_", " ")


def _end(text: str) -> str:
    text = words.clean(text)
    return text if len(text) <= TRACEBACK else f"…{text[-TRACEBACK:]}"


def show(value: Any) -> str:
    """A configured value for a person."""
    if value is None:
        return words.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{words.clean(str(k))} {show(v)}" for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(show(v) for v in value)
    return words.cut(str(value), 500)
