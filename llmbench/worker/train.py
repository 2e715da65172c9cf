"""The train phase: the one training loop, meant to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from accelerate import Accelerator
from torch.optim.lr_scheduler import LambdaLR

from llmbench.record import Step
from llmbench.setting import Settings
from llmbench.worker.batch import Batch

Context = Callable[[], AbstractContextManager[Any]]


class Diverged(Exception):
    """The loss is not a finite number."""


class Observer:
    """Is told where the training is, and may look. Does nothing by itself."""

    def before_step(self, number: int) -> None:
        """The step's batches are on the device; its clock has not started."""

    def after_forward(self) -> None:
        """A micro-batch's activations are all there. The clock runs."""

    def before_clearing(self) -> None:
        """The optimiser has stepped, and the gradients are still there. The clock runs."""

    def after_step(self, step: Step) -> None:
        """The step has ended, and its clock has stopped."""


def train(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Sequence[Batch]],
    settings: Settings,
    context: Context,
    observer: Observer,
) -> None:
    """Train for `len(batches)` optimiser steps of micro-batches, and tell the observer.

    A step's seconds run from a synchronised device to a synchronised device and hold forward,
    backward, clipping and the optimiser; making and moving the batch is left out. Raises
    Diverged after reporting a step whose loss is NaN or infinite.
    """
    accelerator = Accelerator(cpu=not on_cuda(model), mixed_precision="no")
    device = next(model.parameters()).device
    scheduler = LambdaLR(optimizer, schedule(settings))
    trainable = [p for p in model.parameters() if p.requires_grad]
    model.train()
    for number, step in enumerate(batches):
        micro_batches = [batch.to(device) for batch in step]
        # Counted on the host: asking the device would have every step wait for it.
        supervised = sum(b.supervised_tokens for b in step)
        shares = [b.supervised_tokens / supervised for b in step]
        learning_rate = float(scheduler.get_last_lr()[0])
        observer.before_step(number)

        synchronize(device)
        started = time.perf_counter()
        total = torch.zeros((), device=device)
        for batch, share in zip(micro_batches, shares, strict=True):
            with context():
                total += forward_backward(model, batch, share, accelerator, observer)
        accelerator.clip_grad_norm_(trainable, settings.max_grad_norm)
        optimizer.step()
        observer.before_clearing()
        optimizer.zero_grad(set_to_none=True)
        synchronize(device)
        seconds = time.perf_counter() - started

        scheduler.step()
        mean = total.item()
        observer.after_step(
            Step(
                seconds=seconds,
                loss=mean if math.isfinite(mean) else None,
                learning_rate=learning_rate,
                supervised_tokens=supervised,
                nonpadding_tokens=sum(b.nonpadding_tokens for b in step),
                padded_tokens=sum(b.padded_tokens for b in step),
            )
        )
        if not math.isfinite(mean):
            raise Diverged(f"The training loss became {mean}: try a lower learning rate.")


def forward_backward(
    model: torch.nn.Module, batch: Batch, share: float, accelerator: Any, observer: Observer
) -> torch.Tensor:
    """A micro-batch's part of the loss, a scalar without a graph; gradients are added up.

    The graph ends with this function. In the loop's own frame the last one would be held through
    the next forward pass, and with LLM.int8() its inputs as well: bitsandbytes (0.50) keeps them
    where the backward pass does not free them.
    """
    loss = forward_loss(model, batch) * share
    observer.after_forward()
    accelerator.backward(loss)
    return loss.detach()


def forward_loss(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Mean cross entropy per supervised token, a scalar."""
    loss: torch.Tensor = model(input_ids=batch.input_ids, labels=batch.labels, use_cache=False).loss
    return loss


def first_loss(model: torch.nn.Module, batch: Batch) -> float:
    """The loss on a batch before anything is learnt, dropout off: equal in every cell."""
    model.eval()
    with torch.no_grad():
        return forward_loss(model, batch.to(next(model.parameters()).device)).item()


def adamw(model: torch.nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, 2019) in torch's fused kernels, states in the weights' type."""
    return torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def schedule(settings: Settings) -> Callable[[int], float]:
    """The share of the peak learning rate at a step: a linear rise, then the named decline."""
    rise = math.ceil(settings.steps * settings.lr_warmup_ratio)

    def share(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        left = (step - rise) / max(1, settings.steps - rise)
        if settings.schedule == "linear":
            return 1 - left
        return (1 + math.cos(math.pi * left)) / 2 if settings.schedule == "cosine" else 1.0

    return share


def on_cuda(model: torch.nn.Module) -> bool:
    """Whether the model's parameters are on a GPU."""
    return next(model.parameters()).device.type == "cuda"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
