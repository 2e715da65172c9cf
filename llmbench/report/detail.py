"""Each cell in detail: how it ended, what it was, what was in force, what it took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmbench.figure import predicted_memory
from llmbench.format import count
from llmbench.judge import fairness
from llmbench.judge.learning import DID_NOT_LEARN, after, before
from llmbench.record import Record
from llmbench.report import estimate, words
from llmbench.report.grid import Grid, grids
from llmbench.report.run import Fact, label, show
from llmbench.report.standing import Standing
from llmbench.report.table import record_status

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
    grids: tuple[Grid, ...]
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


def _detail(number: int, record: Record, standing: Standing) -> Detail:
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
        reason=words.cut(wrong or (finding.sentences if finding else record.reason or ""), 2000),
        traceback=_end(record.traceback or ""),
        facts=tuple(_facts(record)),
        settings=tuple(_changes(record)),
        in_force=tuple(_in_force(record)),
        grids=grids(record),
        warnings=tuple(words.cut(w, 500) for w in record.warnings),
    )


def _facts(record: Record) -> Iterator[Fact]:
    yield Fact("Cell", words.clean(record.cell.id))
    packages = dict.fromkeys(m.distribution for m in record.cell.members)
    yield Fact("Strategies from", words.clean(", ".join(packages)))
    for member in record.cell.members:
        if member.options:
            options = ", ".join(f"{label(k)} {show(v)}" for k, v in member.options.items())
            yield Fact(f"Options of {words.clean(member.id)}", options)
    if record.parameters:
        trainable, total = record.parameters.trainable, record.parameters.total
        share = f" ({words.percent(trainable, total)})" if total else ""
        text = f"{count(trainable)} of {count(total)} trained{share}"
        yield Fact("Parameters", text if record.cell.trains else f"{count(total)}, none trained")
    yield from _learnt(record)
    if predicted_memory(record):
        yield Fact("Peak memory predicted", estimate.predicted(record))
    if record.generation:
        made = record.generation
        text = f"{made.new_tokens:,} new tokens in {words.seconds(made.seconds)}"
        yield Fact("Generated", text)
    yield from _times(record)


def _learnt(record: Record) -> Iterator[Fact]:
    """The validation loss, and what a step did to the weights."""
    start, end = before(record), after(record)
    if start is not None:
        yield Fact("Validation loss", f"{start:.3f}" + (f", at the end {end:.3f}" if end else ""))
    if record.moved:
        share = words.percent(record.moved.share, 1)
        meant = words.percent(record.moved.meant, 1) if record.moved.meant is not None else ""
        text = f"{share} of them" + (f", of {meant} that were meant to change" if meant else "")
        yield Fact(f"Weights changed by step {record.moved.step}", text)


def _times(record: Record) -> Iterator[Fact]:
    if record.started_at:
        yield Fact("Started", words.clean(record.started_at))
    if record.start_seconds is not None:
        yield Fact("Process started in", words.seconds(record.start_seconds))
    if record.seconds is not None:
        yield Fact("Took", words.seconds(record.seconds))
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
        yield Fact(words.clean(seen[:1].upper() + seen[1:]), words.cut(value, 500))


def _end(text: str) -> str:
    text = words.clean(text)
    return text if len(text) <= TRACEBACK else f"…{text[-TRACEBACK:]}"
