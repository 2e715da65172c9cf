"""Every composition with what is predicted of it, and what the known rules of thumb say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmbench.estimate.answer import Estimate
from llmbench.estimate.gpu import OUTSIDE_BYTES
from llmbench.record import Cell
from llmbench.setup import Setup

TIGHT_SHARE = 0.95
"""Of a GPU's memory; beyond it fragmentation may decide. Torch's allocator reserved 2 to 9 % more
than tensors held in the gallery's comparisons, part of which it gives back when it must."""
TRAINING_BYTES = (16, 20)
"""What a parameter takes in full training in mixed precision with AdamW, by the rule: weights and
gradients in half precision and the rest in fp32 (Rajbhandari et al., 2020, ZeRO, section 3.1),
with gradients in fp32 as well at the upper end. Activations are left out of it."""


@dataclass(frozen=True)
class Row:
    """One composition."""

    cell: Cell
    estimate: Estimate
    memory_bytes: int
    """The GPU's; 0 where it is not known."""

    @property
    def peak_bytes(self) -> int | None:
        """What torch's allocator will hold at its most."""
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
        held = self.estimate.parameters
        assert held
        return held.total - (held.trainable if held.trainable < held.total else 0)

    @property
    def loading_rule_bytes(self) -> float | None:
        """What loading takes by the rule: 4, 2, 1 or 0.5 bytes a parameter."""
        rule = self.estimate.loaded_bytes
        return None if rule is None else rule * self.base_parameters

    @property
    def training_rule_bytes(self) -> tuple[int, int] | None:
        """What training takes by the rule, at least and at most; None unless all is trained."""
        held = self.estimate.parameters
        if held is None or held.trainable < held.total:
            return None
        least, most = TRAINING_BYTES
        return least * held.total, most * held.total


@dataclass(frozen=True)
class Forecast:
    """All compositions, and what they are predicted for."""

    setup: Setup
    rows: Sequence[Row]
    added: frozenset[str] = frozenset()
    """Compositions among them that nobody asked for: ways out, where nothing else fits."""

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
    """What torch's allocator may hold at its most; None where the GPU's memory is not known."""
    return max(0, memory_bytes - OUTSIDE_BYTES) if memory_bytes else None
