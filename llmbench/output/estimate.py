"""A forecast, as tables in text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmbench.estimate.forecast import OUTSIDE_BYTES, TRAINING_BYTES, Forecast, Prediction
from llmbench.output.terminal.tables import drawn
from llmbench.record.record import MemoryParts
from llmbench.units import count, size
from llmbench.wording.fits import verdict
from llmbench.workers.job import MOST_SEQUENCES

PARTS = {
    "weights_bytes": "Weights",
    "adapter_bytes": "Adapter",
    "gradients_bytes": "Gradients",
    "optimizer_bytes": "Optimiser",
    "activations_bytes": "The rest",
}
"""Fields of MemoryParts to their headings."""
STYLES = {"yes": "green", "tight": "yellow", "no": "red"}


def show(forecast: Forecast, console: Console) -> None:
    """Write the tables, and what has to be known to read them."""
    console.print(headline(forecast), highlight=False)
    conclusion = verdict(forecast)
    if conclusion:
        console.print(Text(f"\n{conclusion}", "bold"))
    known = [r for r in forecast.rows if r.estimate.parts]
    if known:
        console.print("\nPredicted peak of the train phase, and what is held at that moment:")
        console.print(parts_table(known, console.width))
        if known[0].memory_bytes:
            console.print(f"\n{room_line(forecast)}", highlight=False)
            console.print(room_table(known, console.width))
        console.print(f"\n{rules_line(known[0])}", highlight=False)
        console.print(rules_table(known, console.width))
    for line in (*unknown(forecast.rows), *forecast.notices):
        console.print(f"\n{line}", highlight=False)


def headline(forecast: Forecast) -> str:
    """What is predicted, on what."""
    settings, environment = forecast.setup.config.settings, forecast.setup.environment
    memory = environment.device_memory_bytes
    usable = f", of whose memory {size(memory)} can be used" if memory else ""
    steps = f", {settings.accumulation} to a step" if settings.accumulation > 1 else ""
    return (
        f"{forecast.setup.source.id} on {environment.device_name}{usable}: "
        f"micro-batches of {settings.batch_size} x {settings.seq_len:,} tokens{steps}, "
        f"{settings.precision}."
    )


def parts_table(rows: Sequence[Prediction], width: int) -> Table:
    """The peak of each composition, taken apart."""
    used = [name for name in PARTS if any(getattr(r.estimate.parts, name) for r in rows)]
    cells = [
        [size(r.peak_bytes or 0), *(part_text(r.estimate.parts, name) for name in used)]
        for r in rows
    ]
    return made(rows, ["Peak", *(PARTS[name] for name in used)], cells, width)


def room_line(forecast: Forecast) -> str:
    """What is compared with the GPU's memory."""
    settings = forecast.setup.config.settings
    return (
        f"Whether it fits, with {size(OUTSIDE_BYTES)} for the CUDA context; the most sequences of "
        f"{settings.seq_len:,} tokens, and the most tokens in each of {settings.batch_size} "
        f"sequences, that do (tried up to {MOST_SEQUENCES:,} sequences, and to the tokens that the "
        "model has positions for):"
    )


def room_table(rows: Sequence[Prediction], width: int) -> Table:
    """Which compositions fit, and how far."""
    cells: list[list[str | Text]] = [
        [
            Text(r.fits or "-", style=STYLES.get(r.fits or "", "")),
            size((r.peak_bytes or 0) + OUTSIDE_BYTES),
            size_text(r.estimate.largest_batch_size),
            size_text(r.estimate.longest_seq_len),
        ]
        for r in rows
    ]
    return made(rows, ["Fits", "Needs", "Sequences", "Tokens"], cells, width)


def rules_line(row: Prediction) -> str:
    """What the rules are."""
    least, most = TRAINING_BYTES
    return (
        f"Rules of thumb for {count(row.base_parameters)} parameters, beside what is predicted: "
        "4, 2, 1 or 0.5 bytes a parameter to load it in fp32, bf16, 8 or 4 bits (weights), and "
        f"{least} to {most} to train all of them with AdamW, whatever the batch (the peak):"
    )


def rules_table(rows: Sequence[Prediction], width: int) -> Table:
    """What a reader may have heard, beside what is predicted."""
    return made(
        rows,
        ["To load", "predicted", "To train", "predicted"],
        [list(rule_texts(r)) for r in rows],
        width,
    )


def rule_texts(row: Prediction) -> Iterator[str]:
    """The rules for one composition, each before what is predicted in its place."""
    parts, loading, training = row.estimate.parts, row.loading_rule_bytes, row.training_rule_bytes
    assert parts
    yield "-" if loading is None else size(loading)
    yield size(parts.weights_bytes)
    yield f"{size(training[0])} to {size(training[1])}" if training else "-"
    yield f"{size(parts.total_bytes)} ({parts.total_bytes / row.base_parameters:.1f} B)"


def unknown(rows: Sequence[Prediction]) -> list[str]:
    """A line for each composition of which nothing is predicted."""
    return [
        f"{r.cell.composition}: not predicted: {r.estimate.reason}"
        for r in rows
        if not r.estimate.parts
    ]


def made(
    rows: Sequence[Prediction],
    headings: Sequence[str],
    cells: Sequence[Sequence[str | Text]],
    width: int,
) -> Table:
    """A table with a row for each composition, folded to fit the width."""
    named = [[row.cell.composition, *texts] for row, texts in zip(rows, cells, strict=True)]
    return drawn(["Method", *headings], named, width)


def part_text(parts: MemoryParts | None, name: str) -> str:
    """A part's size; a dash for one that is not there at the peak."""
    amount = getattr(parts, name)
    return size(amount) if amount else "-"


def size_text(number: int | None) -> str:
    """A number of sequences or tokens."""
    return "-" if number is None else "none" if number == 0 else f"{number:,}"


def as_json(forecast: Forecast) -> str:
    """Every figure in bytes, tokens or sequences; null for what is not known."""
    config, environment = forecast.setup.config, forecast.setup.environment
    settings = config.settings.model_dump(include={"batch_size", "accumulation", "seq_len"})
    values = {
        "model": forecast.setup.source.id,
        "settings": {**settings, "precision": config.settings.precision},
        "gpu": environment.device_name,
        "gpu_memory_bytes": environment.device_memory_bytes or None,
        "outside_bytes": OUTSIDE_BYTES,
        "notices": forecast.notices,
        "compositions": [_data(r) for r in forecast.rows],
    }
    return json.dumps(values, indent=2)


def _data(prediction: Prediction) -> dict[str, Any]:
    """One composition."""
    estimate = prediction.estimate
    training = prediction.training_rule_bytes
    return {
        "composition": prediction.cell.composition,
        "predicted_peak_memory_bytes": prediction.peak_bytes,
        "parts": estimate.parts.model_dump() if estimate.parts else None,
        "not_predicted": estimate.reason,
        "parameters": estimate.parameters.model_dump() if estimate.parameters else None,
        "fits": prediction.fits,
        "largest_batch_size": estimate.largest_batch_size,
        "longest_seq_len": estimate.longest_seq_len,
        "rules_of_thumb": {
            "load_bytes": prediction.loading_rule_bytes,
            "train_bytes": list(training) if training else None,
        },
    }
