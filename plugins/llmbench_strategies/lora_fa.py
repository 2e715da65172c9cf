"""LoRA-FA (Zhang et al., 2023, arXiv:2308.03303): LoRA whose first matrix is frozen."""

from typing import Any

from llmbench.record.settings import Settings
from llmbench_strategies.lora import Lora


class LoraFa(Lora):
    """Trains the second matrix of each adapter alone.

    The first one projects the layer's input down to the rank, as it was drawn. What is kept for the
    backward pass is then that projection instead of the whole input: fewer activations, and half
    the trained weights.
    """

    id = "lora-fa"
    summary = "LoRA that trains the second matrix of each adapter alone: fewer activations are kept"
    in_all = False

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Add the adapters and freeze their first matrices, in the type that trained ones have."""
        import torch

        made = super().prepare(model, settings)
        kind = getattr(torch, settings.numerics.trained)
        for name, weight in made.named_parameters():
            if "lora_A" in name:
                weight.requires_grad_(False)
                weight.data = weight.data.to(kind)
        return made
