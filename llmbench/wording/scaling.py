"""What a reader has to know of runs on several GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from llmbench.analysis.scaling import efficiencies, peaks
from llmbench.analysis.standing import Standing
from llmbench.record.figure import GPUS, PER_GPU
from llmbench.record.variant import Variant
from llmbench.text import clean
from llmbench.units import size
from llmbench.wording import figures, phrases


def scaled(standing: Standing) -> Iterator[str]:
    """A sentence for each method that ran on several GPUs."""
    known = efficiencies(standing.records)
    for variant in standing.variants:
        if variant.first.ranks and variant.well:
            yield clean(_sentence(standing, variant, known.get(variant.first.cell.id)))


def _sentence(standing: Standing, variant: Variant, share: float | None) -> str:
    """`lora+ddp trained on 2 GPUs (nccl): 21,000 tok/s together, 10,500 each, ...`."""
    record = variant.first
    what = "GPUs" if standing.cuda else "processes"
    sizes = list(peaks(record))
    each = variant.mean(PER_GPU.of)
    rates = [f"{phrases.speed(variant)} together"]
    rates += [f"{figures.figure_value(PER_GPU, each)} each"] if each else []
    rates += [f"{share:.2f} of what they give alone"] if share else []
    peak = f"; peaks of {size(min(sizes))} to {size(max(sizes))}" if sizes else ""
    count = figures.figure_value(GPUS, len(record.ranks))
    return (
        f"{standing.name(variant)} trained on {count} {what} ({record.backend}): "
        f"{', '.join(rates)}{peak}."
    )
