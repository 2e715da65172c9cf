"""The card of a model that was kept: what it is, what it was trained on, and what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from llmbench import units
from llmbench.record.figure import BY_ID, Figure, scores
from llmbench.record.record import DataRef, Record
from llmbench.wording.figures import figure_text, learning_rate

SHOWN = (
    "eval_loss",
    "peak_memory_bytes",
    "train_tokens_per_second",
    "trainable_parameters",
    "train_seconds",
)
"""Figures of a run that a card has, behind its quality."""
FORMS = {
    "adapter": "an adapter, to be put on its base model",
    "merged": "its adapter merged into its base model",
    "whole": "the whole model",
}
HOW = {
    "adapter": (
        "from peft import PeftModel\n"
        "from transformers import {kind}\n\n"
        'base = {kind}.from_pretrained("{base}")\n'
        'model = PeftModel.from_pretrained(base, "path/to/this/folder")'
    ),
    "whole": (
        'from transformers import {kind}\n\nmodel = {kind}.from_pretrained("path/to/this/folder")'
    ),
}
ORIGINS = {
    "tuned": "searched for",
    "model": "known for the model",
    "given": "given",
    "default": "the method's default",
}
"""Where a learning rate comes from."""


def card(record: Record, command: str, base: str, kind: str = "AutoModelForCausalLM") -> str:
    """A README.md of Markdown for a kept model, with the fields that hubs read before it.

    `base` is what the base model is called where it can be had, `kind` the class of transformers
    that loads it.
    """
    assert record.saved
    library = "peft" if record.saved.form == "adapter" else "transformers"
    how = HOW.get(record.saved.form, HOW["whole"]).format(base=base, kind=kind)
    rows = [*_made(record, base), *_measured(record), *_where(record, command)]
    return "\n".join(
        [
            "---",
            f"base_model: {base}",
            f"library_name: {library}",
            "tags:",
            "- llmbench",
            "---",
            "",
            f"# {record.cell.composition} on {record.cell.model.id}",
            "",
            f"One run of a comparison by llmbench: {FORMS[record.saved.form]}. What other methods "
            "reached beside it, and how sure that is, stands in the comparison's report.",
            "",
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {_cell(text)} |" for name, text in rows if text),
            "",
            *(f"- {_cell(warning)}" for warning in record.warnings),
            *([""] if record.warnings else []),
            "```python",
            how,
            "```",
            "",
        ]
    )


def _made(record: Record, base: str) -> Iterator[tuple[str, str]]:
    """What it is, and what it was trained on."""
    cell, settings = record.cell, record.cell.settings
    commit = cell.model.revision or cell.model.digest
    yield "Method", f"`{cell.composition}`"
    yield "Base model", f"{base}, {commit}" if commit else base
    yield "Task", cell.task
    yield "Trained on", _data(cell.train_data)
    yield "Evaluated on", _data(cell.eval_data)
    yield (
        "Training",
        f"{settings.steps} steps of {settings.batch_size * settings.accumulation} sequences of at "
        f"most {settings.seq_len} tokens, in {settings.precision}; seed {cell.seed}",
    )
    yield (
        "Learning rate",
        f"{learning_rate(settings.learning_rate)}, {ORIGINS[cell.rate or 'default']}",
    )
    merged = record.saved.merged_loss if record.saved else None
    if merged is not None and record.saved and record.saved.loss is not None:
        yield (
            "Merged",
            f"loss on the first training batch {merged:.4f}, with the adapter apart "
            f"{record.saved.loss:.4f}",
        )


def _measured(record: Record) -> Iterator[tuple[str, str]]:
    """Quality, and what it took."""
    for figure in (*scores([record]), *(BY_ID[name] for name in SHOWN)):
        yield _label(figure, record), figure_text(figure, record)


def _label(figure: Figure, record: Record) -> str:
    if figure.id == "peak_memory_bytes":
        cuda = record.environment and record.environment.device == "cuda"
        return f"{'GPU memory' if cuda else 'Host memory'}, peak while training"
    return f"{figure.label} ({figure.meaning})" if figure.scored else figure.label


def _where(record: Record, command: str) -> Iterator[tuple[str, str]]:
    """The machine, the versions and the command."""
    environment = record.environment
    if environment:
        yield "Machine", environment.device_name
        versions = [f"Python {environment.python}"]
        versions += [f"{name} {number}" for name, number in environment.versions.items()]
        yield "Versions", ", ".join(versions)
    if record.started_at:
        yield "Date", datetime.fromisoformat(record.started_at).date().isoformat()
    yield "Command", f"`{command}`"


def _data(data: DataRef) -> str:
    if not data.sha256:
        return data.name
    return f"{data.name}, {units.count(data.examples)} examples, SHA-256 `{data.sha256}`"


def _cell(text: str) -> str:
    """A text within a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")
