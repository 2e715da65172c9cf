"""A base in 4-bit NormalFloat or floating point, with an adapter to train."""

from typing import Any, Literal

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_strategies.quantization import four_bits


class FourBit(Strategy):
    """Loads the linear layers in 4 bits. Alone it is `lora+4-bit`."""

    id = "4-bit"
    summary = "LoRA on weights held in 4 bits each (NF4) instead of 16: a quarter of their memory"
    group = "quantization"
    saves_memory = "weights"
    stands_on = "lora"
    packages = ("bitsandbytes",)

    numbers: Literal["nf4", "fp4"] = Field(
        "nf4", description="What 4 bits stand for: levels of a normal distribution, or floats."
    )
    double_quantization: bool = Field(
        False, description="Quantise the scales as well, which saves 0.4 bits a weight."
    )

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Load in NF4 or FP4."""
        return four_bits(settings, self.double_quantization, self.numbers)
