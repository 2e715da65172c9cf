"""FlashAttention (Dao et al., 2022): exact attention that never stores the score matrix."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings


def has_package(on_gpu: bool) -> bool:
    """Whether the `flash_attn` package is to be used: it has kernels for GPUs alone."""
    return on_gpu and find_spec("flash_attn") is not None


class FlashAttention(Strategy):
    """Trains on a flash kernel and proves it: `flash_attn`'s if installed, else torch's own.

    Generation pads its prompts, which torch's flash kernel for GPUs does not take; there the
    model's default attention runs. Alone it is `full+flash-attention`.
    """

    id = "flash-attention"
    summary = "attention in one fused kernel, proven to have run: less memory, often faster"
    group = "attention"
    arithmetic = False

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Flash kernels for GPUs compute in half precision only."""
        if environment.device == "cuda" and settings.numerics.compute == "float32":
            return "Flash kernels on a GPU need half precision: leave --precision at its default."
        return None

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Choose the attention implementation."""
        packaged = has_package(environment.device == "cuda")
        return {"attn_implementation": "flash_attention_2" if packaged else "sdpa"}

    def training(self) -> AbstractContextManager[Any]:
        """Allow torch no other attention kernel."""
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        # The package's kernels do not go through torch's choice: `verify` sees them anyway.
        packaged = has_package(torch.cuda.is_available())
        return nullcontext() if packaged else sdpa_kernel(SDPBackend.FLASH_ATTENTION)

    def verify(self, kernels: frozenset[str]) -> str | None:
        """Only flash kernels may have run."""
        others = kernels - {"flash"}
        if others:
            return f"Attention ran on {', '.join(sorted(others))}, not on a flash kernel."
        return None
