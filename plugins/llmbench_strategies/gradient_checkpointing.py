"""Gradient checkpointing (Chen et al., 2016): activations are computed again, not kept."""

from typing import Any

from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings


class GradientCheckpointing(Strategy):
    """Keeps the input of each decoder layer only. Alone it is `full+gradient-checkpointing`."""

    id = "gradient-checkpointing"
    summary = "intermediate results are computed again instead of kept: less memory, more time"
    group = "memory"
    saves_memory = "activations"
    arithmetic = False

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Have the model checkpoint every decoder layer."""
        if not getattr(model, "supports_gradient_checkpointing", True):
            kind = model.config.model_type
            raise CannotRun(f"transformers cannot checkpoint models of the kind '{kind}'.")
        # The reentrant kind needs an input that requires a gradient, which frozen embeddings
        # do not give.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        return model
