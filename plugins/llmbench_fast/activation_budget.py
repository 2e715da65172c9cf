"""A budget for what compiled layers keep for their backward pass; the rest is computed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

from pydantic import Field

from llmbench_fast.compile import Compile


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

    def training(self) -> AbstractContextManager[Any]:
        """Have what is compiled in a training step keep to the budget."""
        return within(self.share, super().training())


@contextmanager
def within(share: float, compiling: AbstractContextManager[Any]) -> Iterator[None]:
    """Compile under that budget."""
    from torch._functorch import config

    with config.patch(activation_memory_budget=share), compiling:
        yield
