"""QLoRA as its paper has it (Dettmers et al., 2023)."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from llmbench.machine import Environment
from llmbench.record.settings import Settings
from llmbench_strategies.lora import Lora
from llmbench_strategies.quantization import four_bits

PAGED = "paged-adamw-32bit"


class Qlora(Lora):
    """NF4 with double quantisation, LoRA on all linear layers, and a paged AdamW.

    The paged optimiser keeps its states in memory that CUDA moves between device and host; on a
    CPU there is nothing to page, and the harness's AdamW runs. The arithmetic is in the cells'
    common precision, which on a GPU is the paper's bf16.
    """

    id = "qlora"
    summary = (
        "LoRA on weights held in 4 bits each, as in the QLoRA paper: their scales are quantised "
        "too, and the optimiser's states move to the host's memory where the GPU is full (paged)"
    )
    also_claims = frozenset({"quantization"})
    saves_memory = "weights"
    packages = ("bitsandbytes",)
    bundle = ("LoRA", "NF4 weights", "double quantisation", "on a GPU a paged optimiser")

    paged: bool = Field(True, description="Page the optimiser's states, where there is a GPU.")

    def claims(self) -> frozenset[str]:
        """The optimiser is its own only if it is paged."""
        return super().claims() - (frozenset() if self.paged else {"optimizer"})

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare LoRA's learning rate, and the paged optimiser where the platform has one."""
        settings = super().adjust(settings, environment)
        if self.paged and environment.device == "cuda":
            return settings.model_copy(update={"optimizer": PAGED})
        return settings

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Load in NF4, its scales quantised as well."""
        return four_bits(settings, double_quantization=True)

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any | None:
        """The paged AdamW of bitsandbytes, its states in 32 bits, if it was declared."""
        if settings.optimizer != PAGED:
            return None
        from bitsandbytes.optim.adamw import PagedAdamW32bit

        return PagedAdamW32bit(
            parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
