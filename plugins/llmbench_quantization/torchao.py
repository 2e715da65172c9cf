"""A base in torchao's 8-bit integers, with an adapter to train."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_quantization.missing import missing


class TorchAo(Strategy):
    """Holds the linear layers in integers, a scale for each output, by torchao's weight-only kind.

    Activations stay as they are, unlike with LLM.int8(). Memory is not predicted. Of torchao's
    kinds, peft (0.21) puts adapters beside those in 8 bits alone.
    """

    id = "torchao"
    summary = "LoRA on weights that torchao holds in 8-bit integers, activations as they are"
    group = "quantization"
    saves_memory = "weights"
    stands_on = "lora"
    packages = ("torchao",)
    in_all = False

    bits: Annotated[Literal[8, 4], BeforeValidator(int)] = Field(8, description="Bits of a weight.")

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """The package must be there, and an adapter must have a place."""
        if self.bits == 4:
            return (
                "peft puts no adapter beside torchao's weights in 4 bits: take 4-bit or hqq to "
                "train adapters, or qat to train for 4 bits."
            )
        return missing(self.id, "torchao")

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Load in integers of 8 bits."""
        from torchao.quantization import Int8WeightOnlyConfig
        from transformers import TorchAoConfig

        return {"quantization_config": TorchAoConfig(Int8WeightOnlyConfig())}
