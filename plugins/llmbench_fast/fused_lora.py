"""LoRA's own products, joined with each other and with those of the layers that they adapt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings
from llmbench_parallel.spreading import cut_up


class FusedLora(Strategy):
    """Adapters of layers with one input meet it in one product, and add to what layers give.

    Queries, keys and values read one input, as do the two gates of an MLP. The small product is
    written where the layer's own product is then added up, rather than apart, and so are gradients
    of the input. Weights are not merged: it rounds as LoRA does. It trains so; evaluation runs
    peft's code. Alone it is `lora+fused-lora`.
    """

    id = "fused-lora"
    summary = "LoRA's products joined with those of the layers: less memory is read and written"
    group = "adapter-products"
    stands_on = "lora"
    arithmetic = False
    in_all = False

    stacked: bool = Field(
        False,
        description="Multiply layers with one input as one: faster, and more activations are kept.",
    )

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """Full fine-tuning has no adapters, and layers that are cut up are not there whole."""
        if any(other.id == "full" for other in others):
            return "'fused-lora' joins the products of adapters: write lora+fused-lora."
        if cut_up(others):
            return "Layers that are cut up over GPUs are not joined: take ddp, or no fused-lora."
        return None

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Autocast would cast between the products."""
        if settings.numerics.autocast is not None:
            return "Joined products are not put under autocast: take --precision bf16-stochastic."
        return None

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Find the layers that read one input, and have each group compute together."""
        from llmbench_fast import sharing

        if next(model.parameters()).is_meta:
            raise CannotRun("Memory of joined products is not predicted.")
        again = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
        if again and model.config.is_encoder_decoder:
            raise CannotRun(
                "Joined products of an encoder-decoder do not come in the same order when they are "
                "computed again: leave gradient-checkpointing or fused-lora out."
            )
        layers = sharing.adapted(model)
        if not layers:
            raise CannotRun("No LoRA without dropout stands beside a linear layer of this model.")
        for group in sharing.groups(model, layers):
            sharing.join(group, self.stacked)
        return model
