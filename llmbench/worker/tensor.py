"""Which tensors a model in training holds, and what each is there for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import nn

DEEPEST = 5
"""How far into attributes of attributes tensors are looked for: quantised scales are two down."""

Base = Mapping[int, nn.Parameter]
"""The parameters of the base model, by identity; holds none of them back."""


def base_of(model: nn.Module) -> Base:
    """Remember the parameters that are there before the strategies add theirs."""
    return WeakValueDictionary({id(p): p for p in model.parameters()})


def split(model: nn.Module, base: Base) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The base model's parameters, and those that were added."""
    ours: list[nn.Parameter] = []
    added: list[nn.Parameter] = []
    for parameter in model.parameters():
        (ours if base.get(id(parameter)) is parameter else added).append(parameter)
    return ours, added


def owned(model: nn.Module, base: Base, optimizer: torch.optim.Optimizer) -> dict[str, list[int]]:
    """Addresses of tensors by the field of MemoryParts that they count for."""
    ours, added = split(model, base)
    groups = {
        "adapter_bytes": [t for p in added for t in inside(p)],
        "gradients_bytes": gradients(model, optimizer),
        "optimizer_bytes": [*states(optimizer), *copies(model, optimizer)],
        "weights_bytes": [*(t for p in ours for t in inside(p)), *attached(model)],
    }
    return {name: [_address(local(t)) for t in tensors] for name, tensors in groups.items()}


def gradients(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """The gradients of the model's parameters, or of their copies."""
    parameters = (*model.parameters(), *copies(model, optimizer))
    return [p.grad for p in parameters if p.grad is not None]


def copies(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """What the optimiser steps in the place of the model's parameters."""
    own = {id(p) for p in model.parameters()}
    return [p for group in optimizer.param_groups for p in group["params"] if id(p) not in own]


def attached(model: nn.Module) -> Iterator[torch.Tensor]:
    """Buffers, and what bitsandbytes keeps beside an 8-bit weight."""
    yield from model.buffers()
    for module in model.modules():
        yield from inside(vars(module).get("state"))


def states(optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    """The optimiser's states."""
    for state in optimizer.state.values():
        yield from inside(state)


def inside(value: Any, depth: int = DEEPEST) -> Iterator[torch.Tensor]:
    """The tensors that a value is or holds, modules left out: quantisation states among them."""
    if isinstance(value, nn.Module) or depth == 0:
        return
    if isinstance(value, torch.Tensor):
        yield from _pieces(value)
    fields = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    listed = value if isinstance(value, list | tuple) else ()
    for member in (*fields.values(), *listed):
        yield from inside(member, depth - 1)


def _pieces(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensor, or those that a wrapper such as torchao's is made of."""
    if not hasattr(tensor, "__tensor_flatten__"):
        yield tensor
        return
    names, _ = tensor.__tensor_flatten__()
    parts = (getattr(tensor, name) for name in names)
    for piece in parts:  # of one that is spread over processes, a description of those as well
        if isinstance(piece, torch.Tensor):
            yield from _pieces(piece)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """The part of a tensor that this process holds, of one that is spread over several."""
    shard: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return shard


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor that is spread over processes as a plain one; all of them have to ask."""
    full: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return full


def is_part(tensor: torch.Tensor) -> bool:
    """Whether it is spread over processes."""
    return hasattr(tensor, "to_local")


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
