"""LoRA over a frozen base that is stored and multiplied in 8-bit floating point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_parallel.spreading import cut_up

LEAST_CAPABILITY = (8, 9)
"""The first NVIDIA architecture, Ada, whose matrix units take 8-bit floating point."""
PLAIN = frozenset({"lora", "lora-plus", "rslora"})
"""Methods that read nothing of a layer but its output: without its scale a weight says nothing."""


class Fp8(Strategy):
    """Holds the linear layers in e4m3 and multiplies them so; embeddings and output stay whole.

    Weights are rounded once. Of every product, activations are rounded to e4m3 and gradients to
    e5m2, by scales of their own largest value (Micikevicius et al., 2022, "FP8 Formats for Deep
    Learning", arXiv 2209.05433). Adapters compute in the cell's precision. Rounding pays where
    `compile` joins it with what comes before. Alone it is `lora+fp8`.
    """

    id = "fp8"
    summary = "LoRA on weights held and multiplied in 8-bit floating point: half the memory, faster"
    group = "quantization"
    saves_memory = ""
    stands_on = "lora"
    in_all = False

    scaling: Literal["row", "tensor"] = Field(
        "row",
        description="One scale for each token's activations or gradients, or one for all of them.",
    )
    emulated: bool = Field(
        False, description="Multiply the rounded values in the cell's precision: slow, anywhere."
    )

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Matrix units for 8-bit floating point came with Ada and Hopper."""
        if settings.numerics.autocast is not None:
            return "Layers in fp8 are not put under autocast: take --precision bf16-stochastic."
        if self.emulated:
            return None
        if environment.device != "cuda":
            return "fp8 needs a GPU whose matrix units take it: fp8(emulated=true) shows the error."
        if settings.numerics.compute != "bfloat16":
            return "Products in fp8 give bf16: take --precision bf16-stochastic."
        capability = environment.compute_capability
        if capability is not None and tuple(capability) < LEAST_CAPABILITY:
            return f"{environment.device_name} has no fp8: it came with compute capability 8.9."
        return None

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """Others read or change the weights, or cut them up, which those in e4m3 do not bear."""
        if any(s.group == "adaptation" and s.id not in PLAIN for s in others):
            return "Layers in fp8 have plain LoRA beside them: take lora, lora-plus or rslora."
        if cut_up(others):
            return "Layers in fp8 cannot be cut up over GPUs: take ddp."
        return None

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Load whole, then round layer by layer."""
        from llmbench_fast.fp8_linear import Config

        return {"quantization_config": Config(scaling=self.scaling, emulated=self.emulated)}
