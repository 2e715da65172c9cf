"""What a cell's strategies bring of their own, in place of the harness's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch

from llmbench.plugin.blame import Amiss, blamed, wanted
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench.worker import batch, compiled, guard, train
from llmbench.worker.batch import Batch
from llmbench.worker.train import Loss, Share

Recording = Callable[[], AbstractContextManager[None]]
Replay = Callable[[Mapping[str, torch.Tensor]], Any]
Shape = tuple[tuple[str, torch.Size], ...]


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
            own_share = guard.share(own.schedule(**offered))
        return usual(step) if own_share is None else own_share

    return share


def model(
    strategies: Sequence[Strategy],
    source: str,
    options: Mapping[str, Any],
    settings: Settings,
    device: torch.device,
) -> Any | None:
    """The model that a strategy loads from files; None for the harness's."""
    own = bringer(strategies, "load")
    if own is None:
        return None
    with blamed("strategy", own.id, "load"):
        offered = wanted(own.load, source=source, options=options, settings=settings)
        loaded = own.load(**offered)
        if loaded is not None:
            strayed = {p.device for p in guard.model(loaded).parameters()} - {device}
            if strayed:
                raise Amiss(f"it returned a model on {strayed.pop()}, not on {device}")
        return loaded


def batches(
    strategies: Sequence[Strategy], steps: Sequence[Sequence[Batch]], pad: int
) -> list[list[Batch]]:
    """The batches of every step as the strategies have them, from those that all cells share."""
    own = bringer(strategies, "batches")
    if own is None:
        return [list(step) for step in steps]
    return [[_made(own, padded, pad) for padded in step] for step in steps]


def _made(own: Strategy, padded: Batch, pad: int) -> Batch:
    """A strategy's batch of the same examples, which trains on as many tokens."""
    with blamed("strategy", own.id, "batches"):
        examples = tuple(batch.examples(padded))
        inputs = own.batches(**wanted(own.batches, examples=examples, pad=pad))
        if inputs is None:
            return padded
        made = guard.batch(inputs, padded.nonpadding_tokens)
        pairs = [len(ids) for example in examples for ids in example.every]
        if made.input_ids.shape[0] == len(pairs):
            made = replace(made, nonpadding_tokens=sum(pairs))
        if made.supervised_tokens != padded.supervised_tokens:
            raise Amiss(
                f"it trains on {made.supervised_tokens} tokens of examples that have "
                f"{padded.supervised_tokens} to train on"
            )
        return made


def loss_in_steps(strategies: Sequence[Strategy], recording: Recording = nullcontext) -> Loss:
    """How training steps compute the loss: recorded once for every shape, if a strategy records.

    What was recorded lives as long as this. Each recording is made in the context that `recording`
    gives.
    """
    own, computed = bringer(strategies, "record"), loss(strategies)
    if own is None:
        return computed
    made: dict[Shape, Replay | None] = {}

    def plain(model: torch.nn.Module, inputs: Mapping[str, Any]) -> torch.Tensor:
        return computed(model, guard.batch(inputs, 0))

    def replayed(model: torch.nn.Module, given: Batch) -> torch.Tensor:
        inputs = given.inputs
        shape = tuple((name, value.shape) for name, value in inputs.items())
        with blamed("strategy", own.id, "record"):
            if shape not in made:
                with compiled.recording(), recording():
                    offered = wanted(own.record, loss=plain, model=model, inputs=inputs)
                    made[shape] = own.record(**offered)
                compiled.RECORDED.times += made[shape] is not None
            replay = made[shape]
            found = guard.loss(replay(inputs)) if replay else None
        return computed(model, given) if found is None else found

    return replayed


def loss(strategies: Sequence[Strategy]) -> Loss:
    """How the loss of a micro-batch is computed in training."""
    own = bringer(strategies, "loss")
    if own is None:
        return train.forward_loss

    def computed(model: torch.nn.Module, given: Batch) -> torch.Tensor:
        with blamed("strategy", own.id, "loss"):
            offered = wanted(own.loss, model=model, inputs=given.inputs)
            own_loss = guard.loss(own.loss(**offered))
        return train.forward_loss(model, given) if own_loss is None else own_loss

    return computed
