"""What every cell imports, imported before its memory is first looked at.

Whatever is imported later counts as the cell's growth: a forked worker, whose parent has imported
it all, and a new process would measure different things.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import sys
from typing import Any

# Ask NVML, not the CUDA runtime, whether there is a GPU: the runtime would be initialised by it.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ALWAYS = (
    "torch",
    "accelerate",
    "transformers",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.generation",
    "llmbench.worker.cell",
)
ASK_RUNTIME = ("bitsandbytes", "peft")
"""Importing these asks the CUDA runtime what the GPU can compute, which initialises it: where a GPU
is seen, `past_runtime` imports them, or each cell does itself."""


def preload() -> None:
    """Import it all, and the plugins; a cell that needs what is not there will say so."""
    from llmbench import plugin

    libraries()
    for metric in plugin.registry().metrics.items().values():
        for module in metric.modules:
            _import(module)
    patterns()


def patterns() -> None:
    """Have transformers compile what weights of all its models are called in files.

    It does so when a process first loads a model: 0.7 s for a thousand regular expressions.
    """
    with contextlib.suppress(ImportError):
        from transformers.conversion_mapping import get_checkpoint_conversion_mapping

        get_checkpoint_conversion_mapping("llama")


def libraries() -> None:
    """Import what loads and trains models."""
    for module in (*ALWAYS, *(() if has_gpu() else ASK_RUNTIME)):
        _import(module)


def past_runtime() -> None:
    """Import what asks the CUDA runtime, and have NVML answer, which initialises nothing.

    Nothing is imported where NVML does not know the GPUs. Whether it went well, `cuda_initialised`
    says afterwards: other versions may ask more.
    """
    import torch

    from llmbench.machine import gpu_facts
    from llmbench.worker.estimate.patch import replaced

    known = [gpu.compute_capability for gpu in gpu_facts()]
    if not known or None in known:
        return

    def capability(device: Any = None) -> tuple[int, int] | None:
        return known[getattr(device, "idx", device) or 0]

    with replaced(torch.cuda, "get_device_capability", capability):
        for module in ASK_RUNTIME:
            with contextlib.suppress(Exception):  # the cell that needs it will say so
                importlib.import_module(module)


def has_gpu() -> bool:
    """Whether torch sees a GPU, asked in a way that does not initialise CUDA."""
    import torch

    return torch.cuda.is_available()


def _import(module: str) -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module(module)


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
