"""A base in 8-bit integers, with an adapter to train."""

from typing import Any

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_strategies.quantization import int8


class EightBit(Strategy):
    """Loads the linear layers in LLM.int8(). Alone it is `lora+8-bit`."""

    id = "8-bit"
    summary = "LoRA on weights held in 8 bits each instead of 16: half their memory"
    group = "quantization"
    saves_memory = "weights"
    stands_on = "lora"
    packages = ("bitsandbytes",)

    threshold: float = Field(
        6.0, ge=0, description="Activations beyond it are multiplied in 16 bits; 0 for none."
    )

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Load in LLM.int8()."""
        return int8(self.threshold)
