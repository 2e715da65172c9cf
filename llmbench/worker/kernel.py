"""Which attention kernel really runs, as seen by torch's dispatcher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

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
    """Names of the attention kernels that `run` uses.

    `attention` is the model's attention implementation: where no fused operator is seen, it was
    `eager`, or else torch's `math` fallback, which the dispatcher takes apart before we see it.
    """
    with _Watch() as watch:
        run()
    return frozenset(watch.seen or {"eager" if attention == "eager" else "math"})


def no_kernel(error: BaseException) -> bool:
    """Whether the error is torch's refusal to run attention on any of the allowed kernels."""
    return isinstance(error, RuntimeError) and "No available kernel" in str(error)
