"""Whether CUDA is initialised in this process: one that is forked from it could not use the GPU."""

from __future__ import annotations

import ctypes
import os
import sys

LIBRARY = "libcuda.so.1"
"""The driver's own library, which everything that uses CUDA loads in the end."""
SUCCESS = 0

SUSPECTS = (
    "torchao",  # looks for the GPU's capabilities; transformers imports it where it is installed
    "unsloth",  # chooses its kernels by the GPU
    "vllm",  # likewise
    "deepspeed",  # looks for an accelerator
    "xformers",  # looks which of its kernels the GPU can run
    "flash_attn",  # likewise
    "peft",  # looks for what it can compute with
    "bitsandbytes",  # chooses the library to load by the GPU
)
"""Packages that are known, or said, to initialise CUDA when they are imported."""


def initialised_by() -> str | None:
    """What may have initialised CUDA when it was imported: `torchao`; None if nothing has."""
    if not cuda_initialised():
        return None
    *others, last = [s for s in SUSPECTS if s in sys.modules] or ["what every cell needs"]
    return f"{', '.join(others)} or {last}" if others else last


def cuda_initialised() -> bool:
    """Whether torch, or anybody else in this process, has initialised CUDA; looking does not."""
    torch = sys.modules.get("torch")
    return (torch is not None and torch.cuda.is_initialized()) or _driver_initialised()


def _driver_initialised() -> bool:
    """Whether the driver counts GPUs; before somebody initialises it, it answers with an error."""
    try:
        driver = ctypes.CDLL(LIBRARY, os.RTLD_LAZY | os.RTLD_NOLOAD)
    except (OSError, AttributeError):  # nobody has loaded it; a platform without such libraries
        return False
    count = ctypes.c_int()
    return driver.cuDeviceGetCount(ctypes.byref(count)) == SUCCESS and count.value > 0
