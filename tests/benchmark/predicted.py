"""How good the predicted memory is: predicted against measured, for every cell of comparisons.

    python tests/benchmark/predicted.py reports/gallery/llama-2-7b-h200 ...

Takes what the records predict, or simulates what has no prediction, for models with an alias.
Prints a Markdown table, the median and the worst error, and with --parts what each peak is made
of, predicted and, where it was measured, as the allocator's history has it.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from statistics import median

from llmbench.record.figure import peak_memory
from llmbench.record.record import MemoryParts, Record
from llmbench.record.settings import Settings
from llmbench.source import model
from llmbench.storage.store import Store
from llmbench.units import size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--parts", action="store_true", help="what each peak is made of")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    errors = []
    show("| model | tokens | cell | predicted | measured | error |\n| --- " + "| --- " * 5 + "|")
    for record in measured(args.directories):
        parts = record.predicted or simulated(record)
        held = record.phases["train"].memory
        assert held.allocated_bytes
        error = parts.total_bytes / held.allocated_bytes - 1
        errors.append(abs(error))
        settings = of_batches(record)
        columns = (
            record.cell.model.id,
            f"{settings.batch_size} x {settings.seq_len:,}",
            f"`{record.cell.composition}`",
            size(parts.total_bytes),
            size(held.allocated_bytes),
            f"{error:+.2%}",
        )
        show(f"| {' | '.join(columns)} |")
        if args.parts:
            compare_parts(parts, held.parts)
    if errors:
        show(f"\n{len(errors)} cells: median error {median(errors):.2%}, worst {max(errors):.2%}")


def measured(directories: list[Path]) -> list[Record]:
    """The records of trained cells whose peak on a GPU is known."""
    records = [r for d in directories for r in Store(d).read().records]
    return [r for r in records if peak_memory(r) and r.phases["train"].memory.allocated_bytes]


def of_batches(record: Record) -> Settings:
    """The record's settings, with the length of the longest micro-batch that it really had."""
    settings = record.cell.settings
    sequences = settings.batch_size * settings.accumulation
    longest = max(s.padded_tokens for s in record.steps) // sequences
    return settings.model_copy(update={"seq_len": longest})


def simulated(record: Record) -> MemoryParts:
    """The prediction that the record lacks."""
    from llmbench.worker.cell import strategies
    from llmbench.worker.estimate.simulation import Simulation

    cell, environment = record.cell, record.environment
    assert environment
    location = model.find(cell.model.id, "random", None).weights_location
    simulation = Simulation(cell, strategies(cell), environment, location)
    return simulation.peak(of_batches(record))


def compare_parts(predicted: MemoryParts, found: MemoryParts | None) -> None:
    """A line for each part."""
    for name in MemoryParts.model_fields:
        beside = size(getattr(found, name)) if found else ""
        part = name.removesuffix("_bytes")
        show(f"| | | {part} | {size(getattr(predicted, name))} | {beside} | |")


def show(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
