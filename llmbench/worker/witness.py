"""Who looks on while a cell trains, and writes down what is to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from llmbench.record import Moved, Step
from llmbench.setting import Settings
from llmbench.worker import effective
from llmbench.worker.anatomy import Anatomy
from llmbench.worker.batch import Tokens
from llmbench.worker.evaluate import reference_loss
from llmbench.worker.running import Running
from llmbench.worker.train import Observer, stepped

SAMPLED = 1024
"""Elements of each trained tensor that are looked at, at most, to see what a step moves."""


class Witness(Observer):
    """Writes down every step, takes validation losses, and looks once at states and memory."""

    def __init__(
        self, running: Running, optimizer: Any, recorded: int | None, held_out: HeldOut
    ) -> None:
        """`recorded` is the step whose peak of memory is taken apart, if there is a GPU."""
        self._recorder = running.recorder
        self._meter = running.recorder.meter
        self._optimizer = optimizer
        self._anatomy = Anatomy(running.model, running.base, optimizer)
        self._recorded = recorded if self._meter.cuda else None
        self._held_out = held_out
        settings = running.job.cell.settings
        self._validated = steps_to_validate(settings, running.job.cell.tuning)
        self._looked_at = min(settings.burn_in_steps, settings.steps) - 1
        self._before: list[torch.Tensor] = []
        self._number = 0

    def before_step(self, number: int) -> None:
        """Have the allocator write down the step that is taken apart."""
        self._number = number
        if number == self._recorded:
            self._anatomy.begin()
        if number == self._looked_at:
            self._before = [sampled(w) for w in stepped(self._optimizer)]

    def after_forward(self) -> None:
        """Memory is at its highest about now."""
        self._meter.sample()

    def before_clearing(self) -> None:
        """Take the step's peak apart while all that it is made of is there."""
        if self._number == self._recorded:
            self._meter.parts = self._anatomy.end()

    def after_step(self, step: Step) -> None:
        """Write the step down; after the first, the optimiser has its states."""
        self._recorder.step(step)
        if self._number == 0:
            self._recorder.observe(**effective.of_optimizer(self._optimizer))
            if self._meter.cuda:
                self._meter.paged_bytes = effective.paged_bytes(self._optimizer)
        if self._number == self._looked_at:
            after = [sampled(w) for w in stepped(self._optimizer)]
            moved = Moved(
                step=self._number + 1,
                share=changed(self._before, after),
                meant=meant_to_change(self._optimizer),
            )
            self._recorder.note(moved=moved)
            self._before = []
        if self._number + 1 in self._validated and step.loss is not None:
            self._held_out.look(self._number + 1)


@dataclass(frozen=True)
class HeldOut:
    """Takes the loss on examples that are not trained on, while no clock runs."""

    running: Running
    sequences: Sequence[Tokens]
    """None of them where nothing is held out."""

    def look(self, step: int) -> None:
        """Note the loss after so many steps; what that takes of memory is no part of training."""
        if not self.sequences:
            return
        running = self.running
        size = running.job.cell.settings.batch_size
        with running.recorder.meter.paused():
            loss = reference_loss(running.model, self.sequences, size, running.pad)
        running.recorder.validation(step, loss)
        if step:
            running.model.train()


def steps_to_validate(settings: Settings, tuning: bool) -> frozenset[int]:
    """After which steps the validation loss is taken: evenly spread, the last one among them."""
    count = min(settings.validations, settings.steps)
    if tuning:
        return frozenset({settings.steps})
    return frozenset(round(settings.steps * n / count) for n in range(1, count + 1))


def sampled(weight: torch.Tensor) -> torch.Tensor:
    """A copy of some elements, evenly spread over the tensor."""
    stride = max(1, weight.numel() // SAMPLED)
    return weight.detach().reshape(-1)[::stride][:SAMPLED].clone()


def changed(before: Sequence[torch.Tensor], after: Sequence[torch.Tensor]) -> float:
    """The share of elements that are not what they were."""
    moved = sum(int((a != b).sum()) for a, b in zip(before, after, strict=True))
    return moved / max(1, sum(b.numel() for b in before))


def meant_to_change(optimizer: torch.optim.Optimizer) -> float | None:
    """The share of elements whose first moment is not zero, which AdamW's update is made of.

    None for an optimiser that keeps no such moment, or keeps it quantised.
    """
    moments = []
    for weight in stepped(optimizer):
        state = optimizer.state.get(weight, {})
        moment = state.get("exp_avg", state.get("state1"))
        if not isinstance(moment, torch.Tensor) or not moment.is_floating_point():
            return None
        moments.append(sampled(moment))
    return changed([torch.zeros_like(m) for m in moments], moments)
