"""Gradient checkpointing (Chen et al., 2016): activations are computed again, not kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings
from llmbench_parallel.spreading import cut_up


class GradientCheckpointing(Strategy):
    """Keeps the input of each decoder layer only. Alone it is `full+gradient-checkpointing`."""

    id = "gradient-checkpointing"
    summary = "intermediate results are computed again instead of kept: less memory, more time"
    group = "memory"
    saves_memory = "activations"
    arithmetic = False

    offload: bool = Field(
        False, description="Keep the layers' inputs in the host's memory, not in the GPU's."
    )

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Inputs are offloaded from a GPU."""
        return no_gpu(self.id, environment) if self.offload else None

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """Layers that are cut up have classes, hooks and inputs of their own."""
        return not_whole(others) if self.offload else None

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Have the model checkpoint every decoder layer."""
        if not getattr(model, "supports_gradient_checkpointing", True):
            kind = model.config.model_type
            raise CannotRun(f"transformers cannot checkpoint models of the kind '{kind}'.")
        # The reentrant kind needs an input that requires a gradient, which frozen embeddings
        # do not give.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if self.offload:
            offload(model)
        return model

    def after_step(self, model: Any, number: int) -> None:
        """Hold the cell to its name: inputs were offloaded by now."""
        if self.offload and number == 1:
            prove(model)


def no_gpu(name: str, environment: Environment) -> str | None:
    """Why that strategy cannot offload there, in a sentence."""
    if environment.device == "cuda":
        return None
    return f"There is no GPU from which {name} could offload: leave it out."


def not_whole(others: Sequence[Strategy]) -> str | None:
    """Why layers cannot be offloaded beside these strategies, in a sentence."""
    if cut_up(others):
        return "Layers that are cut up over GPUs are not offloaded: take ddp, or no offload."
    return None


def prove(model: Any) -> None:
    """Raise CannotRun where nothing was offloaded."""
    from llmbench_strategies.offloading import has_offloaded

    if not has_offloaded(model):
        raise CannotRun("No input of this model's layers was offloaded: leave offload out.")


def offload(model: Any) -> None:
    """Move the inputs of the model's layers to the host; raises CannotRun where that cannot be."""
    if next(model.parameters()).is_meta:
        raise CannotRun("Memory of offloaded inputs is not predicted.")
    from llmbench_strategies import offloading

    if not offloading.offload(model):
        kind = model.config.model_type
        raise CannotRun(f"Layers of models of the kind '{kind}' cannot be offloaded one by one.")
