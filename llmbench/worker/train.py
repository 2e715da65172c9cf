"""The train phase: the one training loop, meant to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from llmbench.errors import CellEnded
from llmbench.record.record import Step
from llmbench.record.settings import Settings
from llmbench.worker.batch import Batch
from llmbench.worker.spread import ALONE, Spread
from llmbench.worker.stochastic import StochasticAdamW
from llmbench.worker.tensor import is_part, local, whole

Context = Callable[[], AbstractContextManager[Any]]
Loss = Callable[[torch.nn.Module, Batch], torch.Tensor]
"""Mean cross entropy per supervised token of a micro-batch, a scalar."""
Share = Callable[[int], float]
"""The share of the peak learning rate at a step, counted from 0."""


class Diverged(CellEnded):
    """The loss is not a finite number."""


class Observer:
    """Called at each point of a training step; the base class does nothing."""

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
    loss: Loss | None = None,
    share_of_rate: Share | None = None,
    spread: Spread = ALONE,
) -> None:
    """Train for `len(batches)` optimiser steps of micro-batches, and tell the observer.

    The optimiser's weights are the model's, or copies that it rounds them from. `loss` and
    `share_of_rate` are what a strategy brings in place of the model's and the settings'. A step's
    seconds run from a synchronised device to a synchronised device and hold forward, backward,
    clipping and the optimiser; making and moving the batch is left out. Raises Diverged after
    reporting a step whose loss is NaN or infinite.

    Of several ranks each trains on its part of every step's batches, and reports all of the step.
    """
    device = next(model.parameters()).device
    scheduler = LambdaLR(optimizer, share_of_rate or schedule(settings))
    # Does nothing but for fp16, whose small gradients would be lost.
    scaler = torch.amp.GradScaler(device.type, enabled=settings.numerics.scales_loss)
    weights = list(stepped(optimizer))
    model.train()
    for number, step in enumerate(batches):
        own = spread.part(step)
        micro_batches = [batch.to(device) for batch in own]
        # Counted on the host: asking the device would have every step wait for it.
        supervised = sum(b.supervised_tokens for b in step)
        shares = [b.supervised_tokens / supervised for b in own]
        learning_rate = float(scheduler.get_last_lr()[0])
        observer.before_step(number)

        synchronize(device)
        started = time.perf_counter()
        total = torch.zeros((), device=device)
        for place, (batch, share) in enumerate(zip(micro_batches, shares, strict=True), 1):
            with context(), spread.communicating(model, place == len(own)):
                weight = share * spread.averaged_over
                total += forward_backward(model, batch, weight, scaler, observer, loss)
        scaler.unscale_(optimizer)
        clip(weights, settings.max_grad_norm)
        scaler.step(optimizer)
        scaler.update()
        observer.before_clearing()
        optimizer.zero_grad(set_to_none=True)
        synchronize(device)
        seconds = time.perf_counter() - started

        scheduler.step()
        mean = spread.mean(total).item()
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


def clip(weights: Sequence[torch.nn.Parameter], most: float) -> None:
    """Scale gradients so that their norm, over all weights and processes, is `most` at most."""
    parts, others = apart(weights)
    if not parts or not others:
        torch.nn.utils.clip_grad_norm_(weights, most)
        return
    gradients = [[w.grad for w in of if w.grad is not None] for of in (parts, others)]
    norms = [whole(torch.nn.utils.get_total_norm(of)) for of in gradients]
    scale = (most / (torch.stack(norms).norm() + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_([local(g) for of in gradients for g in of], scale)


def apart(
    weights: Sequence[torch.nn.Parameter],
) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """The weights that are cut up over processes, and those that are not: torch mixes no such."""
    return [w for w in weights if is_part(w)], [w for w in weights if not is_part(w)]


def forward_backward(
    model: torch.nn.Module,
    batch: Batch,
    share: float,
    scaler: Any,
    observer: Observer,
    computed: Loss | None = None,
) -> torch.Tensor:
    """A micro-batch's part of the loss, a scalar without a graph; gradients are added up.

    The graph ends with this function. In the loop's own frame the last one would be held through
    the next forward pass, and with LLM.int8() its inputs as well: bitsandbytes (0.50) keeps them
    where the backward pass does not free them.
    """
    loss = (computed or forward_loss)(model, batch) * share
    observer.after_forward()
    scaler.scale(loss).backward()
    return loss.detach()


def forward_loss(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Mean cross entropy per supervised token, a scalar."""
    loss: torch.Tensor = model(**batch.inputs, use_cache=False).loss
    return loss


def first_loss(model: torch.nn.Module, batch: Batch) -> float:
    """The model's own loss before anything is learnt, dropout off: equal in every cell."""
    model.eval()
    with torch.no_grad():
        return forward_loss(model, batch.to(next(model.parameters()).device)).item()


def adamw(weights: Sequence[torch.nn.Parameter], settings: Settings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, 2019) with states in the type of the weights that it steps.

    In torch's fused kernels; with stochastic rounding where the precision asks for it.
    """
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.numerics.update == "stochastic":
        return StochasticAdamW(weights, lr=rate, weight_decay=decay)
    groups = [{"params": of} for of in apart(weights) if of]
    return torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)


def stepped(optimizer: torch.optim.Optimizer) -> Iterator[torch.nn.Parameter]:
    """The weights that an optimiser steps."""
    for group in optimizer.param_groups:
        yield from group["params"]


def schedule(settings: Settings) -> Share:
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


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
