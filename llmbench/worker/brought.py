"""What a cell's strategies bring of their own, in place of the harness's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from llmbench.plugin.blame import blamed, wanted
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench.worker import guard, train
from llmbench.worker.batch import Batch
from llmbench.worker.train import Loss, Share


def bringer(strategies: Sequence[Strategy], what: str) -> Strategy | None:
    """The one that has that method of its own; a composition has refused two."""
    return next((s for s in strategies if what in s.brings()), None)


def optimizer(
    strategies: Sequence[Strategy], named: Mapping[str, torch.nn.Parameter], settings: Settings
) -> torch.optim.Optimizer | None:
    """The optimiser of the strategies; None for the harness's."""
    own = bringer(strategies, "optimizer")
    if own is None:
        return None
    with blamed("strategy", own.id, "optimizer"):
        further = wanted(own.optimizer, named=named)
        return guard.optimizer(own.optimizer(list(named.values()), settings, **further))


def share_of_rate(strategies: Sequence[Strategy], settings: Settings) -> Share:
    """The schedule of the strategies, or of the settings."""
    own, usual = bringer(strategies, "schedule"), train.schedule(settings)
    if own is None:
        return usual

    def share(step: int) -> float:
        step = min(step, settings.steps - 1)  # torch asks once more after the last one
        with blamed("strategy", own.id, "schedule"):
            offered = wanted(own.schedule, step=step, settings=settings)
            found = guard.share(own.schedule(**offered))
        return usual(step) if found is None else found

    return share


def loss(strategies: Sequence[Strategy]) -> Loss:
    """How the loss of a micro-batch is computed in training."""
    own = bringer(strategies, "loss")
    if own is None:
        return train.forward_loss

    def computed(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        with blamed("strategy", own.id, "loss"):
            offered = wanted(own.loss, model=model, inputs=batch.inputs)
            found = guard.loss(own.loss(**offered))
        return train.forward_loss(model, batch) if found is None else found

    return computed
