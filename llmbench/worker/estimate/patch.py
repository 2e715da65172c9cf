"""What libraries refuse on the meta device for no reason of shape, allowed for a while."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.optim import optimizer
from torch.utils import _foreach_utils

DEVICE_LISTS = (
    (optimizer, "_get_fused_kernels_supported_devices"),
    (optimizer, "_get_foreach_kernels_supported_devices"),
    (_foreach_utils, "_get_foreach_kernels_supported_devices"),
)
"""Functions that list the devices with such kernels, and the modules that look them up."""


@contextmanager
def kernels_on_meta() -> Iterator[None]:
    """Optimisers and clipping take the fused and the foreach kernels, as they do on a GPU.

    And autocast, which knows no such device, is left out: adapters of experts switch it off.
    """
    autocast = torch.autocast

    def without_meta(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return nullcontext() if device_type == "meta" else autocast(device_type, *args, **kwargs)

    def with_meta(devices: Callable[[], list[str]]) -> Callable[[], list[str]]:
        return lambda: [*devices(), "meta"]

    fused, foreach = (
        "_get_fused_kernels_supported_devices",
        "_get_foreach_kernels_supported_devices",
    )
    with (
        replaced(optimizer, fused, with_meta(getattr(optimizer, fused))),
        replaced(optimizer, foreach, with_meta(getattr(optimizer, foreach))),
        replaced(_foreach_utils, foreach, with_meta(getattr(_foreach_utils, foreach))),
        replaced(torch, "autocast", without_meta),
    ):
        yield


@contextmanager
def paging() -> Iterator[None]:
    """bitsandbytes gets its paged memory, which lies outside the device, without CUDA."""
    functional = sys.modules.get("bitsandbytes.functional")
    if functional is None:
        yield
        return
    with (
        replaced(functional, "get_paged", _paged),
        replaced(functional, "fill", lambda *args, **kwargs: None),
        replaced(functional, "prefetch_tensor", lambda *args, **kwargs: None),
    ):
        yield


@contextmanager
def replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    """The module with another value under the name."""
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)


def _paged(*shape: int, dtype: torch.dtype = torch.float32, device: Any = None) -> torch.Tensor:
    """A tensor of that shape that takes no memory anywhere."""
    made = torch.empty(1, dtype=dtype, device="cpu").expand(shape)
    made.is_paged = True  # type: ignore[attr-defined]
    return made
