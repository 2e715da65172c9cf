"""Which attention kernel really runs, as seen by torch's dispatcher."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from llmbench.strategy import CannotRun

KERNELS = {
    "_scaled_dot_product_flash_attention": "flash",
    "_scaled_dot_product_flash_attention_for_cpu": "flash",
    "_flash_attn_forward": "flash",
    "_flash_attn_varlen_forward": "flash",
    "_flash_attention_forward": "flash",
    "_scaled_dot_product_efficient_attention": "efficient",
    "_scaled_dot_product_cudnn_attention": "cudnn",
    "_scaled_dot_product_fused_attention_overrideable": "fused",
    "flex_attention": "flex",
}
"""Operator names, torch's own and those of the flash_attn package, to what people call them."""


def choose() -> None:
    """Leave cuDNN's attention out of torch's choice, for the rest of the process.

    It makes a plan for every new shape, which takes longer than a step of a small model: with
    batches as long as their texts, and with every token of a generation, there is always another.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


REFUSALS = ("No available kernel", "No viable backend")
"""What torch says, on a GPU and on a CPU, where no allowed kernel takes the inputs."""


class _Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kernel = KERNELS.get(func._schema.name.rpartition("::")[2])
        if kernel:
            self.seen.add(kernel)
        return func(*args, **(kwargs or {}))


def observe(run: Callable[[], Any], attention: str | None) -> frozenset[str]:
    """Names of the attention kernels that `run` uses; CannotRun where torch may use none.

    `attention` is the model's attention implementation: where no fused operator is seen, it was
    `eager`, or else torch's `math` fallback, which the dispatcher takes apart before we see it.
    """
    with warnings.catch_warnings(record=True, action="always") as said, _Watch() as watch:
        try:
            run()
        except RuntimeError as error:
            if any(r in str(error) for r in REFUSALS):
                raise CannotRun(refusal(said)) from error
            raise
    return frozenset(watch.seen or {"eager" if attention == "eager" else "math"})


def refusal(said: Sequence[warnings.WarningMessage]) -> str:
    """Why torch ran attention on none of the allowed kernels, in the words of its warnings."""
    texts = dict.fromkeys(str(w.message).split(" (Triggered")[0].strip() for w in said)
    reasons = [t for t in texts if "attention" in t.lower() or "kernel" in t.lower()]
    return " ".join(["No allowed kernel takes this model's attention here.", *reasons])
