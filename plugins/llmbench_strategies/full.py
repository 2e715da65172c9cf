"""Full fine-tuning: every weight is trained."""

from typing import Any

from llmbench.setting import Settings
from llmbench.strategy import Strategy


class Full(Strategy):
    """Trains all weights, in the precision that the model is loaded in.

    It decides the quantisation as well, since packed weights cannot be trained.
    """

    id = "full"
    summary = "every weight is trained"
    group = "adaptation"
    also_claims = frozenset({"quantization"})

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Nothing is frozen."""
        model.requires_grad_(True)
        return model
