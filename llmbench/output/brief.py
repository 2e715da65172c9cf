"""What a pull request or a paper has room for: a few columns, the answer, what was run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmbench import text
from llmbench.analysis.judging import stand
from llmbench.analysis.standing import Standing
from llmbench.output.methods import table
from llmbench.output.table import Row, Table, Value
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.wording.answer import answer
from llmbench.wording.notes import notes

SHORT_LABELS = {
    "peak_memory_bytes": "Peak memory",
    "train_tokens_per_second": "Training tokens/s",
    "trainable_parameters": "Trained weights",
}
"""Figures that stand beside quality, and what their columns are called."""
MARKED = "Bold: the best of those that compete, and those as good or not told from it."
INTERVALS = "In brackets: 95 % intervals."
SPREADS = "Behind the mean, the standard deviation over the seeds."
VERSIONS = ("llmbench", "torch", "transformers", "peft", "bitsandbytes")


@dataclass(frozen=True)
class Line:
    """One cell."""

    name: str
    figures: tuple[Value, ...]
    status: str
    cause: str


@dataclass(frozen=True)
class Brief:
    """A comparison in brief; text has backticks around names."""

    header: tuple[str, ...]
    """Of all columns: the strategy, the figures, the status."""
    lines: tuple[Line, ...]
    answer: tuple[str, ...]
    run: tuple[str, ...]
    notices: tuple[str, ...]
    warnings: tuple[str, ...]
    """The gravest first."""

    @property
    def marked(self) -> bool:
        """Whether any figure is marked as the best."""
        return any(value.mark for line in self.lines for value in line.figures)


def brief(comparison: Comparison) -> Brief:
    """The table, the answer and the warnings, of the cells with equal batches alone."""
    standing, comparison = stand(comparison), comparison.equal
    conclusion = answer(standing)
    cells = table(standing, conclusion.pick, frozenset())
    columns = ([standing.score.id] if standing.score else []) + list(SHORT_LABELS)
    labels = SHORT_LABELS | ({} if standing.cuda else {"peak_memory_bytes": "RAM"})
    headings = {c.id: c.label for c in cells.columns}
    names = (labels.get(name) or headings[name] for name in columns)
    return Brief(
        header=("Method", *names, "Status"),
        lines=tuple(_line(row, cells, columns) for row in cells.rows),
        answer=(f"{conclusion.whole}.", *conclusion.sentences),
        run=tuple(_run(comparison, standing)),
        notices=tuple(map(text.clean, (*comparison.problems, *comparison.header.notices))),
        warnings=tuple(n.text for n in notes(comparison, standing) if n.kind != "note"),
    )


def _line(row: Row, cells: Table, wanted: list[str]) -> Line:
    values = {c.id: v for c, v in zip(cells.columns, row.values, strict=True)}
    figures = tuple(_short(values[name]) for name in wanted)
    return Line(row.name, figures, row.status, row.cause)


def _short(value: Value) -> Value:
    """The value without the unit that its column names, and a share in parentheses."""
    share = f"({value.detail})" if value.detail.endswith("%") else value.detail
    return replace(value, text=value.text.removesuffix(" tok/s"), detail=share)


def _run(comparison: Comparison, standing: Standing) -> Iterator[str]:
    """What was run in a line, and with what in another."""
    if not standing.records:
        return
    record = next((variant.first for variant in standing.competing), standing.records[0])
    yield text.clean(f"{_subject(record)}; {_training(record, standing)}.")
    environment = record.environment or comparison.header.environment
    versions = (f"{p} {environment.versions[p]}" for p in VERSIONS if p in environment.versions)
    yield text.clean(f"{', '.join([environment.device_name, *versions])}.")


def _subject(record: Record) -> str:
    cell = record.cell
    weights = cell.model.start
    data = (
        f", trained on {cell.train_data.name}, evaluated on "
        f"{text.plural(cell.eval_data.examples, 'example')} of {cell.eval_data.name}"
        if cell.eval_data.examples
        else f", {cell.train_data.name}"
    )
    return f"{cell.model.id}{weights}{data}"


def _training(record: Record, standing: Standing) -> str:
    settings = record.cell.settings
    batch = settings.batch_size * settings.accumulation
    seeds = sorted({r.cell.seed for r in standing.records})
    return (
        f"{text.plural(settings.steps, 'step')} of {text.plural(batch, 'sequence')} of up to "
        f"{settings.seq_len:,} tokens, {settings.precision}, "
        f"seed{'s' if len(seeds) > 1 else ''} {text.listed([str(s) for s in seeds])}"
    )
