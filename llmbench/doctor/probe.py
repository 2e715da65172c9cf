"""`python -m llmbench.doctor.probe`: what torch, bitsandbytes and the flash kernels say.

With `imports` as its argument, it does what a worker does before its cell, and nothing else. Each
answer is a line of JSON, written as soon as it is known: what crashes takes only its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

Facts = dict[str, Any]


def main(asked: Mapping[str, Callable[[], Facts]]) -> None:
    """Ask everything, in its order."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print what they like
    for name, ask in asked.items():
        answers.write(json.dumps({"about": name, **answered(ask)}) + "\n")
        answers.flush()


def answered(ask: Callable[[], Facts]) -> Facts:
    """The answer, or the error in a line."""
    try:
        return ask()
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        return {"error": f"{type(error).__name__}: {said}"}


def imports() -> Facts:
    """How long every worker imports, and whether that initialises CUDA.

    By the processor's time: the first one alone waits for the disk.
    """
    from llmbench.worker.preload import initialised_by, preload

    preload()
    return {"seconds": time.process_time(), "initialised_by": initialised_by()}


def torch_build() -> Facts:
    """Which build it is, and whether it computes."""
    import torch

    torch.ones(2).sum().item()
    return {"cuda_build": torch.version.cuda}


def cuda() -> Facts:
    """Whether a GPU computes, in bf16 too."""
    import torch

    if not torch.version.cuda:
        return {"works": False}
    torch.cuda.init()
    ones = torch.ones(64, 64, device="cuda", dtype=torch.bfloat16)
    (ones @ ones).sum().item()
    return {"works": True, "bf16": torch.cuda.is_bf16_supported(including_emulation=False)}


def flash() -> Facts:
    """Whether torch's own flash kernel runs."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    device = "cuda" if torch.cuda.is_available() else "cpu"
    heads = torch.ones(1, 2, 64, 64, device=device, dtype=torch.bfloat16)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        torch.nn.functional.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
    return {"device": device}


def flash_package() -> Facts:
    """Whether the `flash_attn` package loads."""
    import_module("flash_attn")
    return {}


def bitsandbytes() -> Facts:
    """Whether its native library loads, which it only warns of."""
    from bitsandbytes.cextension import ErrorHandlerMockBNBNativeLibrary, lib

    if isinstance(lib, ErrorHandlerMockBNBNativeLibrary):
        return {"error": "its native library does not load"}
    return {"cuda": lib.compiled_with_cuda}


IMPORTS: dict[str, Callable[[], Facts]] = {"imports": imports}
LIBRARIES: dict[str, Callable[[], Facts]] = {
    "torch": torch_build,
    "cuda": cuda,
    "flash": flash,
    "bitsandbytes": bitsandbytes,
    "flash_attn": flash_package,
}
"""In an order in which the likeliest crash comes last."""

if __name__ == "__main__":
    main(IMPORTS if "imports" in sys.argv else LIBRARIES)
