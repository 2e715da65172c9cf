"""What every cell imports, imported before its memory is first looked at.

Whatever is imported later counts as the cell's growth: a forked worker, whose parent has imported
it all, and a new process would measure different things.
"""

from __future__ import annotations

import contextlib
import importlib
import os

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
ON_CPU = ("bitsandbytes", "peft")
"""Importing these initialises CUDA where a GPU is seen: there each cell imports them itself."""


def preload() -> None:
    """Import it all, and the plugins; a cell that needs what is not there will say so."""
    from llmbench import plugin

    libraries()
    for metric in plugin.registry().metrics.items().values():
        for module in metric.modules:
            _import(module)


def libraries() -> None:
    """Import what loads and trains models."""
    for module in (*ALWAYS, *(() if has_gpu() else ON_CPU)):
        _import(module)


def has_gpu() -> bool:
    """Whether torch sees a GPU, asked in a way that does not initialise CUDA."""
    import torch

    return torch.cuda.is_available()


def _import(module: str) -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module(module)
