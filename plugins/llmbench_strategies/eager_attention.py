"""Attention as the formula has it, the score matrix and all."""

from typing import Any

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings


class EagerAttention(Strategy):
    """What flash attention is held against, since the default is often a flash kernel already."""

    id = "eager-attention"
    summary = "attention step by step, without a fused kernel, for reference"
    group = "attention"
    arithmetic = False
    in_all = False

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Choose the attention implementation."""
        return {"attn_implementation": "eager"}

    def verify(self, kernels: frozenset[str]) -> str | None:
        """No fused kernel may have run."""
        others = kernels - {"eager"}
        if others:
            return f"Attention ran on {', '.join(sorted(others))}, not without a fused kernel."
        return None
