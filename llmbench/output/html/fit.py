"""What fits into a memory budget: the cells of the frontier, apart from all others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmbench import text, units
from llmbench.analysis import field
from llmbench.analysis.names import named
from llmbench.analysis.standing import Standing
from llmbench.output.methods import REASON_LENGTH, record_status
from llmbench.output.table import Column, Row, Table, Value
from llmbench.record.comparison import Comparison
from llmbench.record.figure import BY_ID, Figure, peak_memory
from llmbench.record.record import Budget, Cell, Record, Stretched
from llmbench.record.variant import Variant
from llmbench.units import size, spoken_size
from llmbench.wording import figures


def lead(budget: Budget, record: Record, standing: Standing) -> str:
    """What was looked for, and why it stands apart."""
    settings = record.cell.settings
    if budget.stretched == "seq_len":
        batch = text.plural(settings.batch_size, "sequence")
        what = f"The longest sequences of random tokens, {batch} at a time,"
    elif record.cell.train_data.sha256:
        what = "The most sequences at a time, each as long as the longest of the training data,"
    else:
        what = f"The most sequences of {settings.seq_len:,} random tokens at a time"
    memory = f"{spoken_size(budget.bytes)} of {standing.memory_word}"
    return (
        f"{what} whose training steps stay within {memory}, and how fast that trains. These runs "
        "differ in what they compute at a time: they compete with none of the others, and their "
        "quality is not measured."
    )


def notes(budget: Budget, fitted: Comparison, standing: Standing) -> Iterator[str]:
    """How the sizes were found, what the budget leaves out, and what is missing."""
    if any(r.steps and r.cell.fit == budget for r in fitted.records):
        yield "In small: how much faster that is than equal batches."
    yield (
        "Sizes were doubled until one was beyond the budget, and then bisected; a trial is two "
        "real training steps at a learning rate of 0. Speed and memory are those of the steps that "
        "were timed afterwards."
    )
    if budget.stretched == "seq_len":
        yield (
            "Lengths are multiples of 8. Speed is in tokens per second, and the longer a sequence, "
            "the more attention costs for each of its tokens."
        )
    if standing.cuda:
        yield (
            "The budget is of what tensors hold (allocated). The CUDA context, what the allocator "
            "holds in reserve and paged optimiser states come on top: leave room for them."
        )
    else:
        yield (
            "The budget is of the growth of the process on the host. That is sampled, so trials "
            "take nine tenths of it at most."
        )
    yield from _missing(budget, fitted)


def _missing(budget: Budget, fitted: Comparison) -> Iterator[str]:
    recorded = {r.cell.id for r in fitted.records}
    cells = [p.cell for p in fitted.header.plan.cells if p.cell.fit == budget]
    absent = [text.code(c.composition) for c in cells if c.id not in recorded]
    if absent:
        verb = "has" if len(absent) == 1 else "have"
        yield f"{text.listed(absent)} {verb} no record."


WHAT: dict[Stretched, str] = {
    "batch_size": "What fits",
    "seq_len": "How long a sequence fits",
}
HEADINGS: dict[Stretched, str] = {
    "batch_size": "Largest micro-batch",
    "seq_len": "Longest sequence",
}
THERE = ("Training speed there", "Peak memory there")
NOUNS: dict[Stretched, str] = {"batch_size": "sequence", "seq_len": "token"}
train_speed = field.SPEED.of


@dataclass(frozen=True)
class Fitting:
    """All compositions within one budget."""

    anchor: str
    lead: str
    table: Table
    notes: tuple[str, ...]
    tried: tuple[tuple[str, str], ...]
    """Names, and every size that was tried of them, with its peak."""


def fits(comparison: Comparison, standing: Standing) -> tuple[Fitting, ...]:
    """A table for each budget; `standing` is that of the cells with equal batches."""
    fitted = comparison.fitted
    budgets = dict.fromkeys(r.cell.fit for r in fitted.records if r.cell.fit)
    return tuple(
        _fitting(number, budget, fitted, standing) for number, budget in enumerate(budgets, start=1)
    )


def _fitting(number: int, budget: Budget, fitted: Comparison, standing: Standing) -> Fitting:
    records = [r for r in fitted.records if r.cell.fit == budget]
    names = named([r.cell.model_copy(update={"fit": None}) for r in records])
    settings = records[0].cell.settings
    equal = f"{text.plural(settings.batch_size, 'sequence')} of up to {settings.seq_len:,} tokens"
    return Fitting(
        anchor=f"fit-{number}",
        lead=lead(budget, records[0], standing),
        table=Table(
            f"{WHAT[budget.stretched]} into {spoken_size(budget.bytes)}",
            (
                Column("Status", "words"),
                *map(Column, (HEADINGS[budget.stretched], *THERE, f"Speed at {equal}")),
            ),
            tuple(_row(r, names[r.cell.id], standing) for r in records),
            style="cells",
        ),
        notes=tuple(notes(budget, fitted, standing)),
        tried=tuple((names[r.cell.id], _tried(r)) for r in records if r.fit),
    )


def _row(record: Record, name: str, standing: Standing) -> Row:
    variant = _equal(record.cell, standing)
    wrong = standing.problem(variant) if variant else ""
    cause = wrong or (record.reason or "") or " ".join(record.warnings)
    rate, before = train_speed(record), field.speed(variant) if variant else None
    status = "wrong first loss" if wrong and record.status == "ok" else record_status(record)
    return Row(
        name,
        (
            Value(status),
            _size(record),
            _figure(field.SPEED, rate, _growth(rate, before)),
            _figure(BY_ID["peak_memory_bytes"], peak_memory(record)),
            _figure(field.SPEED, before),
        ),
        status=status,
        good=record.status == "ok" and not wrong,
        skipped=record.status == "skipped",
        cause=text.cut(cause, REASON_LENGTH),
    )


def _equal(cell: Cell, standing: Standing) -> Variant | None:
    """The same composition with equal batches."""
    wanted = (cell.composition, cell.model, cell.task)
    variants = ((a, (a.cell.composition, a.cell.model, a.cell.task)) for a in standing.variants)
    return next((variant for variant, key in variants if key == wanted), None)


def _size(record: Record) -> Value:
    """The size, and what ended the search where that was not the budget."""
    if record.fit is None or record.cell.fit is None:
        return Value("", absent="not measured")
    largest = max(s for s, _ in record.fit.tried) == record.fit.size
    ends = {"batch_size": "or more", "seq_len": "all that the model has positions for"}
    stretched = record.cell.fit.stretched
    return Value(
        text.plural(record.fit.size, NOUNS[stretched]), detail=ends[stretched] if largest else ""
    )


def _figure(figure: Figure, value: float | None, detail: str = "") -> Value:
    if value is None:
        return Value("", absent="not measured")
    return Value(figures.figure_value(figure, value), detail=detail)


def _growth(speed: float | None, before: float | None) -> str:
    return units.share((speed - before) / before) if speed and before else ""


def _tried(record: Record) -> str:
    tried = record.fit.tried if record.fit else ()
    return ", ".join(f"{s:,}: {'out of memory' if p < 0 else size(p)}" for s, p in sorted(tried))
