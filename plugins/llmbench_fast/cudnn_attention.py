"""cuDNN's fused attention, whose kernels are written for the newest GPUs first."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings

LEAST_CAPABILITY = (8, 0)


class CudnnAttention(Strategy):
    """Trains on cuDNN's attention kernels and proves it. Alone it is `full+cudnn-attention`.

    It makes a plan for every new shape, which takes longer than a step of a small model: for texts
    padded or packed to one length. Evaluation runs the model's default attention.
    """

    id = "cudnn-attention"
    summary = "attention by cuDNN's fused kernels, proven to have run: for Hopper and later GPUs"
    group = "attention"
    arithmetic = False
    in_all = False

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Its kernels are for GPUs from Ampere on, in half precision."""
        if environment.device != "cuda":
            return "cuDNN's attention needs an NVIDIA GPU: leave cudnn-attention out."
        if settings.numerics.compute == "float32":
            return "cuDNN's attention needs half precision: leave --precision at its default."
        capability = environment.compute_capability
        if capability is not None and tuple(capability) < LEAST_CAPABILITY:
            return f"{environment.device_name} is too old for it: take flash-attention."
        return None

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Leave the choice of the kernel to torch, which is then told."""
        return {"attn_implementation": "sdpa"}

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Refuse a prediction: what cuDNN takes to work in is not known without it."""
        if next(model.parameters()).is_meta:
            raise CannotRun("Memory of cuDNN's attention is not predicted.")
        return model

    def training(self) -> AbstractContextManager[Any]:
        """Allow torch no other attention kernel."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        context: AbstractContextManager[Any] = sdpa_kernel(SDPBackend.CUDNN_ATTENTION)
        return context

    def verify(self, kernels: frozenset[str]) -> str | None:
        """Only cuDNN's kernels may have run."""
        others = kernels - {"cudnn"}
        if others:
            return f"Attention ran on {', '.join(sorted(others))}, not on cuDNN's kernels."
        return None
