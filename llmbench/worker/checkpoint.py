"""Whether a model stands in memory as its files have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from llmbench.plugin.strategy import CannotRun
from llmbench.text import listed

MAPS = Path("/proc/self/maps")
MOST_NAMED = 3
"""Weights that a sentence names."""


def check(name: str, loaded: Mapping[str, Any]) -> str | None:
    """CannotRun where weights are not in the files; a sentence on those that have no place.

    `loaded` is what transformers says of loading. Weights that are not there it leaves random.
    """
    unset, unused = sorted(loaded["missing_keys"]), sorted(loaded["unexpected_keys"])
    mismatched = sorted(entry[0] for entry in loaded["mismatched_keys"])
    if unset:
        others = f", and {_named(unused)} have no place in it" if unused else ""
        raise CannotRun(
            f"'{name}' leaves {_named(unset)} of its weights unset{others}: they would be random. "
            "Save the whole model, as a plain one, with save_pretrained."
        )
    if mismatched:
        raise CannotRun(
            f"'{name}' has {_named(mismatched)} in shapes that its configuration does not have: "
            "mend config.json, or save the model again."
        )
    if unused:
        return f"Of the model's files, {_named(unused)} have no place in it and are not used."
    return None


def _named(keys: Sequence[str]) -> str:
    """`4 (a, b, c and 1 more)`."""
    return f"{len(keys)} ({listed(keys, MOST_NAMED)})"


def take_in(model: nn.Module) -> None:
    """Have every weight in memory of the process's own, however its file was stored.

    On a host, safetensors maps a file whose type is asked for, and converts another. What is
    mapped counts as the file's until it is written to, and frozen weights never are.
    """
    files = mapped_files()
    for tensor in chain(model.parameters(), model.buffers()):
        if any(tensor.data_ptr() in span for span in files):
            tensor.data = tensor.data.clone()


def mapped_files() -> list[range]:
    """The addresses at which files are mapped; all addresses where the system does not say."""
    try:
        lines = MAPS.read_text("utf-8", errors="replace").splitlines()
    except OSError:  # only Linux has it
        return [range(2**64)]
    spans = (line.split()[0].split("-") for line in lines if "/" in line)
    return [range(int(first, 16), int(end, 16)) for first, end in spans]


def mend_packed(model: nn.Module) -> None:
    """Have bitsandbytes' layers (0.50) pass gradients on a CPU, and take inputs of any shape.

    The first time that a 4-bit layer runs outside training, it packs its weights for processors
    with AVX-512 BF16, and from then on no gradient passes through it: training goes on, silently
    wrong. The harness evaluates before it trains, so the packing is turned off. An 8-bit layer
    takes inputs of two or three dimensions; DeepSeek's have four.
    """
    module: Any
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
        elif type(module).__name__ == "Linear8bitLt":
            module.forward = _flattened(module.forward)


def _flattened(forward: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    def run(inputs: torch.Tensor) -> torch.Tensor:
        if inputs.dim() <= 3:
            return forward(inputs)
        rows = forward(inputs.flatten(0, -2))
        return rows.reshape(*inputs.shape[:-1], -1)

    return run
