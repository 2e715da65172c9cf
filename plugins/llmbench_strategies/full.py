"""Full fine-tuning: every weight of the model is trained."""

from typing import Any

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings


class Full(Strategy):
    """Trains all weights.

    It decides the quantisation as well, since packed weights cannot be trained.
    """

    id = "full"
    summary = "every weight of the model is trained"
    group = "adaptation"
    also_claims = frozenset({"quantization"})

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Load every weight in the type that trained weights have."""
        import torch

        return {"dtype": getattr(torch, settings.numerics.trained)}

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Nothing is frozen."""
        model.requires_grad_(True)
        return model
