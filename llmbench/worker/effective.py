"""What is in force in a cell, read off model, optimiser and torch: not what was asked for."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from llmbench.plugin.strategy import CannotRun
from llmbench.worker import architecture, tensor
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
    own = getattr(optimizer, "gradients_kept_in", None)  # of one that shows them to nobody
    gradients = [own] if own else [p.dtype for p in stepped(optimizer)]
    return {
        "base_weights": _listed(_kind(p) for p in ours),
        "trained_weights": _listed(_kind(p) for p in model.parameters() if p.requires_grad),
        "gradients": _listed(map(_name, gradients)),
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


def of_torch(device: torch.device) -> Facts:
    """How torch computes, for the whole process."""
    threads = {"threads": str(torch.get_num_threads())} if device.type == "cpu" else {}
    return {
        **threads,
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

    hooks = [module.register_forward_hook(look) for module in architecture.embeddings(model)]
    try:
        yield facts
    finally:
        for hook in hooks:
            hook.remove()


def checkpoints(model: torch.nn.Module) -> bool:
    """Whether a module of the model computes its activations again in the pass that runs."""
    return any(m.training and getattr(m, "gradient_checkpointing", False) for m in model.modules())


def _kind(parameter: torch.Tensor) -> str:
    """The type of a tensor's elements; of a packed weight, that of what is packed in it."""
    quantised = getattr(parameter, "quant_state", None)
    return str(quantised.quant_type) if quantised is not None else _name(parameter.dtype)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values))) or "none"


def _on(value: object) -> str:
    return "on" if value else "off"


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


class _Trace:
    """The same by torch's profiler, which changes nothing of how operators are dispatched.

    Products with a matrix that is cut up over processes go wrong under a dispatch mode.
    """

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])

    def __enter__(self) -> _Trace:
        self._profile.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._profile.__exit__(*error)
        names = {e.name.rpartition("::")[2] for e in self._profile.events() or ()}
        self.seen |= {KERNELS[name] for name in names & KERNELS.keys()}


def observe(run: Callable[[], Any], attention: str | None, cut_up: bool = False) -> frozenset[str]:
    """Names of the attention kernels that `run` uses; CannotRun where torch may use none.

    `attention` is the model's attention implementation: where no fused operator is seen, it was
    `eager`, or else torch's `math` fallback, which the dispatcher takes apart before we see it.
    `cut_up` is whether all processes of a cell compute every matrix together.
    """
    watching = _Trace() if cut_up else _Watch()
    with warnings.catch_warnings(record=True, action="always") as said, watching as watch:
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
