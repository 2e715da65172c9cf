"""What the strategies of this distribution share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings


class Spreading(Strategy):
    """Base of those that train a cell on several GPUs."""

    group = "parallelism"
    in_all = False
    arithmetic = False

    scales: ClassVar[bool] = True
    """Whether a scaler of the loss sees the same gradients on every GPU."""

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """No copies of weights: their gradients would leave before the GPUs have exchanged them."""
        if settings.numerics.update == "master" and not self.keeps_copies:
            return (
                f"{self.id} does not keep the fp32 copies of {settings.precision}: take "
                "--precision bf16-stochastic, bf16-mixed or fp32."
            )
        if settings.numerics.scales_loss and not self.scales:
            return f"{self.id} does not scale the loss: take --precision bf16-mixed or fp32."
        return None

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """No optimiser of a plugin's own, and no loss: they look at the model past what spreads it.

        A part of a weight is not the weight, and a replica that is not called exchanges nothing.
        """
        for other in others:
            if "optimizer" in other.claims():
                way_out = (
                    f"write 'qlora(paged=false)+{self.id}'"
                    if other.id == "qlora"
                    else "leave one of the two out"
                )
                return (
                    f"'{other.id}' brings an optimiser of its own, which does not go together "
                    f"with '{self.id}': {way_out}."
                )
            if {"loss", "train"} & set(other.brings()) or other.id == "compile":
                return f"'{other.id}' was not tried with '{self.id}': leave one of the two out."
        return None


def cut_up(others: Sequence[Strategy]) -> bool:
    """Whether beside these strategies no GPU has the layers whole."""
    return any(other.spreads == "model" or other.id == "fsdp" for other in others)


def quantises(other: Strategy) -> bool:
    """Whether it packs the base's weights."""
    return other.id == "qlora" or other.group == "quantization"
