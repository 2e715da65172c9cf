"""Peak memory as it was predicted before the cells ran, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from llmbench.analysis.standing import Standing
from llmbench.record.figure import peak_memory, peak_memory_kind, predicted_memory
from llmbench.record.record import Record
from llmbench.record.variant import Variant
from llmbench.text import code, plural
from llmbench.units import share, size

NOTHING = 0.0005
"""An error that rounds to nothing."""


def error(variant: Variant) -> float | None:
    """By what share the predicted peak is above the measured; None where there are not both."""
    return _error(variant.counted)


def beside(variant: Variant) -> str:
    """`predicted 34.9 GiB, -0.6 %`; empty where nothing was predicted or measured."""
    off, forecast = error(variant), variant.mean(predicted_memory)
    return "" if off is None or forecast is None else f"predicted {size(forecast)}, {share(off)}"


def predicted(record: Record) -> str:
    """What was predicted of one cell, and by how much it was wrong, as far as that is known."""
    off, forecast = _error([record]), size(predicted_memory(record) or 0)
    return forecast if off is None else f"{forecast}, {share(off)} against the measured"


def shortage(variant: Variant) -> str:
    """What was predicted of a variant that had too little memory, and what its device has."""
    record = next((r for r in variant.records if r.predicted and _short(r)), None)
    forecast = record and predicted_memory(record)
    if not record or not forecast or not record.environment:
        return ""
    if size(forecast) in (record.reason or ""):  # said already
        return ""
    device_memory = size(record.environment.device_memory_bytes)
    return f"Predicted: {size(forecast)}; the device has {device_memory}."


def quality(standing: Standing) -> Iterator[str]:
    """How far the predictions were off, over all cells that have one and were measured."""
    errors = {r.cell.id: abs(off) for r in standing.records if (off := _error([r])) is not None}
    if not errors:
        return
    worst = max(errors, key=lambda cell: errors[cell])
    worst_share, name = _share(errors[worst]), code(standing.cell_names[worst])
    count = plural(len(errors), "run")
    if errors[worst] < NOTHING:
        extent = f"over {count} it was {worst_share} off"
    elif len(errors) == 1:
        extent = f"it was {worst_share} off ({name})"
    else:
        middle = _share(median(errors.values()))
        extent = (
            f"over {count} it was {middle} off at the median, and {worst_share} at worst ({name})"
        )
    yield f"Peak memory was predicted from shapes alone before anything ran: {extent}."


def _error(records: Sequence[Record]) -> float | None:
    both = [
        (forecast, peak)
        for r in records
        if (forecast := predicted_memory(r)) is not None
        and (peak := peak_memory(r))
        and peak_memory_kind(r) == "cuda-allocated"
    ]
    if not both:
        return None
    return fmean(forecast for forecast, _ in both) / fmean(peak for _, peak in both) - 1


def _short(record: Record) -> bool:
    """Whether it ran out of memory, or was skipped since it would."""
    if record.status == "skipped":
        total = record.environment.device_memory_bytes if record.environment else 0
        return (predicted_memory(record) or 0) > total
    return record.status == "oom"


def _share(value: float) -> str:
    return "less than 0.1 %" if value < NOTHING else share(value).removeprefix("+")
