"""Every composition with what is predicted of it, and what the known rules of thumb say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmbench import plugin, units
from llmbench.config.setup import Setup
from llmbench.errors import ConfigError, nearest
from llmbench.machine import Environment, collect
from llmbench.record.record import Cell
from llmbench.workers.job import Estimate

GIB = 2**30
OUTSIDE_BYTES = int(0.8 * GIB)
"""What a process holds beside torch's allocator: the CUDA context, the code of the kernels and the
libraries' handles. On an H200, NVML less the allocator gave 0.6 GiB after loading and 0.74 to 0.80
after training (reports/gallery/llama-2-7b-h200)."""


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU."""

    name: str
    nominal: str
    """The memory that it is sold with."""
    usable_gib: float
    """Memory that CUDA can use; the driver and error correction take the rest."""
    capability: tuple[int, int]

    @property
    def memory_bytes(self) -> int:
        """Memory that CUDA can use."""
        return int(self.usable_gib * GIB)


GPUS = {
    "t4": Gpu("T4", "16 GB", 14.74, (7, 5)),
    "a10g": Gpu("A10G", "24 GB", 22.03, (8, 6)),
    "l4": Gpu("L4", "24 GB", 22.03, (8, 9)),
    "rtx-3090": Gpu("RTX 3090", "24 GB", 23.68, (8, 6)),
    "rtx-4090": Gpu("RTX 4090", "24 GB", 23.64, (8, 9)),
    "rtx-5090": Gpu("RTX 5090", "32 GB", 31.34, (12, 0)),
    "a100-40gb": Gpu("A100 40GB", "40 GB", 39.39, (8, 0)),
    "a100-80gb": Gpu("A100 80GB", "80 GB", 79.14, (8, 0)),
    "h100": Gpu("H100", "80 GB", 79.10, (9, 0)),
    "h200": Gpu("H200", "141 GB", 139.72, (9, 0)),
    "b200": Gpu("B200", "180 GB", 178.35, (10, 0)),
}
"""By the name that is typed. Nominal sizes and compute capabilities are NVIDIA's; what is usable
is the "total capacity" in torch's out-of-memory messages, as people quote them in public issues:
where they differ (drivers, error correction), the least."""


def environment(name: str | None) -> Environment:
    """The machine to predict for: a GPU by its name or memory, or the one that is here.

    Where there is none, a GPU of unknown memory (0 bytes). Raises ConfigError for a name that is
    neither a GPU nor a size.
    """
    here = collect()
    if name is None and here.device == "cuda":
        return here
    known = GPUS.get((name or "").strip().lower())
    facts: dict[str, object] = {"device_name": "a GPU", "device_memory_bytes": 0}
    if known:
        facts = {"device_name": known.name, "device_memory_bytes": known.memory_bytes}
    elif name is not None:
        memory_bytes = _size(name)
        facts = {
            "device_name": f"a GPU of {units.exact_size(memory_bytes)}",
            "device_memory_bytes": memory_bytes,
        }
    return here.model_copy(
        update={
            "device": "cuda",
            "device_count": 1,
            "driver": None,
            "compute_capability": known.capability if known else None,
            **facts,
        }
    )


def _size(name: str) -> int:
    try:
        return units.read_size(name)
    except ValueError:
        raise ConfigError(
            f"There is no GPU '{name}': {nearest(name.lower(), GPUS)} "
            "The size of its memory (24GiB) will do as well."
        ) from None


TIGHT_SHARE = 0.95
"""Of a GPU's memory; beyond it fragmentation may decide. Torch's allocator reserved 2 to 9 % more
than tensors held in the gallery's comparisons, part of which it gives back when it must."""
TRAINING_BYTES = (16, 20)
"""What a parameter takes in full training in mixed precision with AdamW, by the rule: weights and
gradients in half precision and the rest in fp32 (Rajbhandari et al., 2020, ZeRO, section 3.1),
with gradients in fp32 as well at the upper end. Activations are left out of it."""


@dataclass(frozen=True)
class Prediction:
    """One composition."""

    cell: Cell
    estimate: Estimate
    memory_bytes: int
    """The GPU's; 0 where it is not known."""

    @property
    def peak_bytes(self) -> int | None:
        """The predicted peak of torch's allocator."""
        return self.estimate.parts.total_bytes if self.estimate.parts else None

    @property
    def fits(self) -> str | None:
        """`yes`, `tight` or `no`; None where there is nothing to compare."""
        if self.peak_bytes is None or not self.memory_bytes:
            return None
        share = (self.peak_bytes + OUTSIDE_BYTES) / self.memory_bytes
        return "no" if share > 1 else "tight" if share > TIGHT_SHARE else "yes"

    @property
    def base_parameters(self) -> int:
        """Parameters of the base model."""
        assert self.estimate.base_parameters
        return self.estimate.base_parameters

    @property
    def loading_rule_bytes(self) -> float | None:
        """What loading takes by the rule: 4, 2, 1 or 0.5 bytes a parameter."""
        rule = self.estimate.loaded_bytes
        return None if rule is None else rule * self.base_parameters

    @property
    def training_rule_bytes(self) -> tuple[int, int] | None:
        """What training takes by the rule, at least and at most; None unless all is trained."""
        counts = self.estimate.parameters
        if counts is None or counts.trainable < counts.total:
            return None
        least, most = TRAINING_BYTES
        return least * counts.total, most * counts.total


@dataclass(frozen=True)
class Forecast:
    """All compositions, and what they are predicted for."""

    setup: Setup
    rows: Sequence[Prediction]
    added: frozenset[str] = frozenset()
    """Compositions that were added as ways out, where none that was asked for fits."""

    @property
    def notices(self) -> list[str]:
        """What a reader has to know of how it was predicted."""
        environment, numerics = self.setup.environment, self.setup.config.settings.numerics
        capability = environment.compute_capability
        if numerics.compute == "bfloat16" and capability and capability < (8, 0):
            return [
                f"{environment.device_name} has no bf16: torch emulates it, slowly, and attention "
                "keeps its matrix of scores. --precision fp32 computes there."
            ]
        return []


def budget_bytes(memory_bytes: int) -> int | None:
    """How high torch's allocator may go; None where the GPU's memory is not known."""
    return max(0, memory_bytes - OUTSIDE_BYTES) if memory_bytes else None


def saving() -> str | None:
    """The strategy that is tried as a way out where nothing of the plan fits, if there is one."""
    return next(iter(plugin.registry().savers("activations")), None)
