"""What is in force in a cell, read off model, optimiser and torch: not what was asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from llmbench.worker import tensor
from llmbench.worker.batch import Batch
from llmbench.worker.stochastic import StochasticAdamW
from llmbench.worker.train import stepped

Facts = dict[str, str]
"""Values by name, both for a person to read; cells that are alike hold equal ones."""


def of_weights(
    model: torch.nn.Module, base: tensor.Base, optimizer: torch.optim.Optimizer
) -> Facts:
    """Types of the base's weights, of those that are trained, and of what the optimiser steps."""
    ours, _ = tensor.split(model, base)
    masters = tensor.copies(model, optimizer)
    return {
        "base_weights": _listed(_kind(p) for p in ours),
        "trained_weights": _listed(_kind(p) for p in model.parameters() if p.requires_grad),
        "gradients": _listed(_name(p.dtype) for p in stepped(optimizer)),
        "master_weights": _listed(_name(p.dtype) for p in masters),
    }


def of_batches(steps: Sequence[Sequence[Batch]]) -> Facts:
    """Shapes of what is trained on; lengths are in tokens."""
    batches = [b for step in steps for b in step]
    padded = sum(b.padded_tokens for b in batches)
    padding = 1 - sum(b.nonpadding_tokens for b in batches) / padded
    return {
        "micro_batch": _listed(str(len(b.input_ids)) for b in batches),
        "accumulation": _listed(str(len(step)) for step in steps),
        "longest_sequence": str(max(b.input_ids.shape[1] for b in batches)),
        "padding": f"{padding:.1%}",
    }


def of_torch() -> Facts:
    """How torch computes, for the whole process."""
    return {
        "matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_tf32": _on(torch.backends.cudnn.allow_tf32),
        "deterministic": _on(torch.are_deterministic_algorithms_enabled()),
    }


def name_of(optimizer: torch.optim.Optimizer) -> str:
    """Its class, and whether it has to do without the kernel that it has for GPUs."""
    name = type(optimizer).__name__
    slow = isinstance(optimizer, StochasticAdamW) and optimizer.kernel is None
    on_gpu = any(w.is_cuda for w in stepped(optimizer))
    return f"{name}, not fused" if slow and on_gpu else name


def of_optimizer(optimizer: torch.optim.Optimizer) -> Facts:
    """The types of the optimiser's states, which are there after a step; its counters left out."""
    kinds = (_name(state.dtype) for state in tensor.states(optimizer) if state.numel() > 1)
    return {"optimizer_states": _listed(kinds)}


def paged_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of states that bitsandbytes keeps in managed memory, on the device or on the host."""
    paged = [s for s in tensor.states(optimizer) if getattr(s, "is_paged", False)]
    return sum(s.numel() * s.element_size() for s in paged)


@contextlib.contextmanager
def seen_in(model: Any, device: torch.device) -> Iterator[Facts]:
    """Facts of a training forward pass, found while the block runs one."""
    facts: Facts = {}

    def look(*_: object) -> None:
        active = torch.is_autocast_enabled(device.type)
        kind = _name(torch.get_autocast_dtype(device.type)) if active else "off"
        facts["autocast"] = kind
        facts["gradient_checkpointing"] = _on(checkpoints(model))

    hook = model.get_input_embeddings().register_forward_hook(look)
    try:
        yield facts
    finally:
        hook.remove()


def checkpoints(model: torch.nn.Module) -> bool:
    """Whether a module of the model computes its activations again in the pass that runs."""
    return any(m.training and getattr(m, "gradient_checkpointing", False) for m in model.modules())


def _kind(held: torch.Tensor) -> str:
    """The type of a tensor's elements; of a packed weight, that of what is packed in it."""
    state = getattr(held, "quant_state", None)
    return str(state.quant_type) if state is not None else _name(held.dtype)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values))) or "none"


def _on(value: object) -> str:
    return "on" if value else "off"
