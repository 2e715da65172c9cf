"""Peak memory as it was predicted before the cells ran, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from llmbench.analysis.standing import Standing
from llmbench.record.figure import peak_memory, peak_memory_kind, predicted_memory
from llmbench.record.record import Record
from llmbench.record.variant import Variant
from llmbench.text import code, plural, share, size

NOTHING = 0.0005
"""An error that rounds to nothing."""


def error(variant: Variant) -> float | None:
    """By what share the predicted peak is above the measured; None where there are not both."""
    return _error(variant.counted)


def beside(variant: Variant) -> str:
    """`predicted 34.9 GiB, -0.6 %`; empty where nothing was predicted or measured."""
    off, held = error(variant), variant.mean(predicted_memory)
    return "" if off is None or held is None else f"predicted {size(held)}, {share(off)}"


def predicted(record: Record) -> str:
    """What was predicted of one cell, and by how much it was wrong, as far as that is known."""
    off, held = _error([record]), size(predicted_memory(record) or 0)
    return held if off is None else f"{held}, {share(off)} against the measured"


def shortage(variant: Variant) -> str:
    """What was predicted of a variant that had too little memory, and what its device has."""
    record = next((r for r in variant.records if r.predicted and _short(r)), None)
    held = record and predicted_memory(record)
    if not record or not held or not record.environment or size(held) in (record.reason or ""):
        return ""
    return (
        f"Predicted: {size(held)}; the device has {size(record.environment.device_memory_bytes)}."
    )


def quality(standing: Standing) -> Iterator[str]:
    """How far the predictions were off, over all cells that have one and were measured."""
    errors = {r.cell.id: abs(off) for r in standing.records if (off := _error([r])) is not None}
    if not errors:
        return
    worst = max(errors, key=lambda cell: errors[cell])
    text, name = _share(errors[worst]), code(standing.cell_names[worst])
    count = plural(len(errors), "cell")
    if errors[worst] < NOTHING:
        found = f"over {count} it was {text} off"
    elif len(errors) == 1:
        found = f"it was {text} off ({name})"
    else:
        middle = _share(median(errors.values()))
        found = f"over {count} it was {middle} off at the median, and {text} at worst ({name})"
    yield f"Peak memory was predicted from shapes alone before anything ran: {found}."


def _error(records: Sequence[Record]) -> float | None:
    both = [
        (held, peak)
        for r in records
        if (held := predicted_memory(r)) is not None
        and (peak := peak_memory(r))
        and peak_memory_kind(r) == "cuda-allocated"
    ]
    if not both:
        return None
    return fmean(held for held, _ in both) / fmean(peak for _, peak in both) - 1


def _short(record: Record) -> bool:
    """Whether it ran out of memory, or was skipped since it would."""
    if record.status == "skipped":
        total = record.environment.device_memory_bytes if record.environment else 0
        return (predicted_memory(record) or 0) > total
    return record.status == "oom"


def _share(value: float) -> str:
    return "less than 0.1 %" if value < NOTHING else share(value).removeprefix("+")
