"""A precision in force: types of weights, casts, and the copies that take the updates."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from llmbench.record.precision import Numerics


def dtype(name: str) -> torch.dtype:
    """Torch's type of that name."""
    kind: torch.dtype = getattr(torch, name)
    return kind


def begin(numerics: Numerics) -> None:
    """Have matrix products of fp32 round their inputs or not, for the rest of the process."""
    torch.backends.cuda.matmul.allow_tf32 = numerics.tf32


def cast_products(model: nn.Module, numerics: Numerics, device: torch.device) -> None:
    """Run every forward pass of the model under autocast, in training, evaluation and generation.

    To be called before strategies put other models around it: generation calls the inner one.
    """
    if numerics.autocast is not None:
        model.forward = torch.autocast(device.type, dtype(numerics.autocast))(model.forward)


def cast_trained(model: nn.Module, numerics: Numerics) -> None:
    """Give trained weights their type, which is the same whatever strategy brings them.

    By itself peft makes adapters in fp32 on some bases and not on others, and computes them there.
    """
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype(numerics.trained))


def copies(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Copies in fp32 for an optimiser to step, to which the gradients go; see `follow`.

    A gradient moves to its copy the moment it is there, and is added up in fp32; the parameter's
    own is gone then. So a weight takes 2 bytes in the model, 4 in its copy and 4 of gradient,
    beside the optimiser's states (Micikevicius et al., 2018, section 3.1).
    """
    made = [nn.Parameter(p.detach().float()) for p in parameters]
    for parameter, copy in zip(parameters, made, strict=True):
        parameter.register_post_accumulate_grad_hook(_mover(copy))
    return made


def _mover(of: nn.Parameter) -> Callable[[torch.Tensor], None]:
    reference = weakref.ref(of)  # copies are gone with their optimiser

    def move(parameter: torch.Tensor) -> None:
        copy = reference()
        if copy is None or parameter.grad is None:
            return
        if copy.grad is None:
            copy.grad = parameter.grad.float()
        else:
            copy.grad += parameter.grad
        parameter.grad = None

    return move


def follow(
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    masters: Sequence[nn.Parameter],
) -> None:
    """Round the copies into the parameters whenever the optimiser has stepped them."""

    def put_back(*_: Any) -> None:
        torch._foreach_copy_([p.data for p in parameters], [m.data for m in masters])

    optimizer.register_step_post_hook(put_back)
