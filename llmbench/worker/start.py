"""The loss before anything is learnt, taken in every way in which a cell could stray from its base.

As loaded, before a strategy has touched the model: what quantisation costs shows there, and an
adapter must not change it. Made ready, in evaluation mode. And in training mode with dropout off,
over all that the first step sees: a strategy that computes something else only while it trains
would win on speed otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from llmbench.record.record import Start
from llmbench.worker.batch import Batch
from llmbench.worker.train import Context, Loss, first_loss


def as_loaded(model: Any, first: Batch | None) -> Start:
    """The loss of the model as it was loaded."""
    assert first
    return Start(loaded=known(first_loss(model, first)))


def in_training(
    model: torch.nn.Module,
    step: Sequence[Batch],
    context: Context,
    loss: Loss,
    before: Start | None,
) -> Start:
    """The losses of the first step's micro-batches in training mode, dropout off, added to those
    of before. They are computed as in training. No random number is drawn, and the model is left
    in training mode.
    """
    device = next(model.parameters()).device
    model.train()
    losses = []
    kept = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with kept, torch.no_grad(), without_dropout(model) as dropped:
        for batch in step:
            with context():
                losses.append(loss(model, batch.to(device)).item())
    tokens = [b.supervised_tokens for b in step]
    mean = math.fsum(x * n for x, n in zip(losses, tokens, strict=True)) / sum(tokens)
    return (before or Start()).model_copy(
        update={"training": known(losses[0]), "step": known(mean), "dropout": dropped}
    )


def known(loss: float) -> float | None:
    """The loss, if it is a number."""
    return loss if math.isfinite(loss) else None


@contextmanager
def without_dropout(model: torch.nn.Module) -> Iterator[bool]:
    """Switch every dropout off for a while, and say whether there was any.

    Modules of dropout, and rates that a module hands to a function: `attention_dropout`, say.
    """
    rates: list[tuple[torch.nn.Module, str, float]] = []
    for module in model.modules():
        for name, value in vars(module).items():
            rate = name == "p" if isinstance(module, DROPOUT) else "drop" in name
            if rate and isinstance(value, float) and value > 0:
                rates.append((module, name, value))
    for module, name, _ in rates:
        setattr(module, name, 0.0)
    try:
        yield bool(rates)
    finally:
        for module, name, value in rates:
            setattr(module, name, value)


DROPOUT = torch.nn.modules.dropout._DropoutNd
