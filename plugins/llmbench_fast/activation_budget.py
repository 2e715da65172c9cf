"""A budget for what compiled layers keep for their backward pass; the rest is computed again."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_fast.compile import Compile, decoder_layers
from llmbench_strategies.gradient_checkpointing import no_gpu, not_whole, prove


class ActivationBudget(Compile):
    """Compiles decoder layers, and keeps the activations whose computing again would cost most.

    Torch's partitioner chooses them by their size and by the operations that they take, and gives
    up first those that cost next to nothing (He and Yu, 2023, "Transcending runtime-memory
    tradeoffs in checkpointing by being fusion aware"). Alone it is `full+activation-budget`.
    """

    id = "activation-budget"
    summary = "compiled decoder layers that keep a share of their activations: less memory"
    also_claims = frozenset({"memory"})
    bundle: ClassVar[tuple[str, ...]] = ("compiled layers", "a budget for what they keep")

    share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Of the bytes that compiled layers would keep: 0 for their inputs alone.",
    )
    offload: bool = Field(
        False, description="Keep the layers' inputs in the host's memory, not in the GPU's."
    )

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Inputs are offloaded from a GPU."""
        offloading = no_gpu(self.id, environment) if self.offload else None
        return offloading or super().skip(settings, environment)

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """Layers that are cut up have classes, hooks and inputs of their own."""
        return not_whole(others) if self.offload else super().refuses(others)

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Mark every decoder layer, and have the operations of 4-bit ones counted."""
        model = super().prepare(model, settings)
        if "bitsandbytes" in sys.modules:
            count_packed()
        if self.offload:
            from llmbench_strategies.offloading import offload_inputs

            offload_inputs(decoder_layers(model))
        return model

    @contextmanager
    def training(self) -> Iterator[None]:
        """Have what is compiled in a training step keep to the budget."""
        from torch._functorch import config

        with config.patch(activation_memory_budget=self.share), super().training():
            yield

    def after_step(self, model: Any, number: int) -> None:
        """Hold the cell to its name: something was compiled, and inputs were offloaded, by now."""
        super().after_step(model, number)
        if self.offload and number == 1:
            prove(model)


def count_packed() -> None:
    """Tell torch what a product with a 4-bit weight takes: it would think that it takes nothing."""
    import torch
    from torch.utils.flop_counter import flop_registry, register_flop_formula

    operator = getattr(torch.ops.bitsandbytes, "gemm_4bit", None)
    if operator is None or operator in flop_registry:
        return

    @register_flop_formula(operator)
    def operations(values: Any, packed: Any, shape: Any, *_: Any, **__: Any) -> int:
        made: int = 2 * math.prod(values) * shape[0]
        return made
