"""What the peak of the train phase was made of, and what lies outside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

from llmbench import text, units
from llmbench.analysis.standing import Standing
from llmbench.record.record import Memory, MemoryParts, Record
from llmbench.record.variant import Variant
from llmbench.units import size

PARTS = {
    "weights_bytes": "weights",
    "adapter_bytes": "adapter",
    "gradients_bytes": "gradients",
    "optimizer_bytes": "optimiser states",
    "activations_bytes": "activations and the rest",
}
"""The parts of a peak, in the order in which they are stacked."""
HEADER = (*(p[0].upper() + p[1:] for p in PARTS.values()), "Together")


@dataclass(frozen=True)
class Peak:
    """A row's peak taken apart: as it was measured, or as it was predicted."""

    variant: Variant
    amounts: tuple[float, ...]
    """Bytes, in the order of PARTS."""
    predicted: bool

    @property
    def total_bytes(self) -> float:
        """The peak itself."""
        return sum(self.amounts)

    @property
    def texts(self) -> tuple[str, ...]:
        """Each part, and what they come to."""
        return tuple(size(b) if b else "0" for b in (*self.amounts, self.total_bytes))


def peaks(variant: Variant) -> Iterator[Peak]:
    """The measured peak and the predicted one, as far as they are known."""
    for predicted, of in ((False, _measured), (True, _predicted)):
        known = [measured for record in variant.counted if (measured := of(record))]
        if known:
            means = (fmean(getattr(measured, name) for measured in known) for name in PARTS)
            yield Peak(variant, tuple(means), predicted)


def outside(standing: Standing) -> Iterator[str]:
    """Sentences on memory that the allocator does not count."""
    beyond = sorted(b for variant in standing.variants if (b := variant.mean(_of("outside_bytes"))))
    if beyond:
        least, most = size(beyond[0]), size(beyond[-1])
        yield (
            f"Outside the allocator, processes held {units.span(least, most)} more: the CUDA "
            "context, and what libraries take by themselves."
        )
    paged = {standing.name(a): b for a in standing.variants if (b := a.mean(_of("paged_bytes")))}
    if paged:
        sizes = text.listed([f"{size(b)} for {name}" for name, b in paged.items()])
        yield (
            "Paged optimiser states, which may move to the host's memory, are not counted by it "
            f"either: {sizes}."
        )


def _measured(record: Record) -> MemoryParts | None:
    memory = _memory(record)
    return memory.parts if memory else None


def _predicted(record: Record) -> MemoryParts | None:
    return record.predicted if record.cell.trains else None


def _of(name: str) -> Callable[[Record], float | None]:
    """A kind of memory in the train phase."""
    return lambda record: getattr(_memory(record), name, None)


def _memory(record: Record) -> Memory | None:
    phase = record.phases.get("train")
    return phase.memory if phase and record.cell.trains else None
