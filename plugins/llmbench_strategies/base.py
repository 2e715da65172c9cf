"""The untrained model: what fine-tuning is held against."""

from typing import Any

from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings


class Base(Strategy):
    """Evaluates the model as it is loaded. Every comparison runs it first."""

    id = "base"
    summary = "the model as it is, without any training, for reference"
    group = "adaptation"
    also_claims = frozenset({"quantization", "memory", "attention", "precision", "learning-rate"})
    in_all = False
    trains = False

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Everything is frozen."""
        model.requires_grad_(False)
        return model
