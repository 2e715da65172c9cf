"""How large a cell of the frontier can be: training steps of growing size, within a budget.

Every trial is two steps of the real training loop with the real optimiser, at a learning rate of
0, which leaves the weights as they are. The second has everything that a step can hold: weights,
gradients, the optimiser's states and the activations. Its batches are the worst that the training
may meet: in a search for the largest micro-batch, all sequences are as long as the longest of the
training data; in one for the longest sequence, random tokens fill them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from llmbench.plugin.strategy import CannotRun
from llmbench.record.events import SizeTried
from llmbench.record.record import Budget, Fit
from llmbench.record.settings import Settings
from llmbench.units import size as bytes_text
from llmbench.units import spoken_size
from llmbench.worker import architecture, batch, brought, shortage, train
from llmbench.worker.batch import Batch
from llmbench.worker.encoding import Tokens
from llmbench.worker.memory import Meter
from llmbench.worker.running import Running
from llmbench.workers.job import MOST_SEQUENCES

NO_MEMORY = -1
"""Stands for the peak of a trial in which memory ran out."""


def largest(peak_of: Callable[[int], int | None], budget: int, grain: int, most: int) -> Fit:
    """The largest multiple of `grain`, of at most `most`, whose peak is within the budget.

    `peak_of` tries a size and returns its peak in bytes; None where memory ran out. Peaks are
    taken to grow with the size. A size of 0 means that not even the smallest is within it.
    """
    tried: list[tuple[int, int]] = []
    fitting, beyond = 0, most // grain + 1
    unbounded = beyond
    while beyond - fitting > 1:
        doubled = min(max(1, 2 * fitting), unbounded - 1)
        count = doubled if beyond == unbounded else (fitting + beyond) // 2
        peak = peak_of(count * grain)
        tried.append((count * grain, NO_MEMORY if peak is None else peak))
        if peak is not None and peak <= budget:
            fitting = count
        else:
            beyond = count
    return Fit(size=fitting * grain, tried=tuple(tried))


STEPS = 2
"""Steps of a trial: the optimiser's states come into being at the end of the first."""
GRAIN = {"batch_size": 1, "seq_len": 8}
"""What sizes are multiples of; lengths that are not suit no GPU."""
HOST_SHARE = 0.9
"""Of a budget of host memory, what trials may take: the growth of a process is sampled, and the
longer it trains the more its heap is in pieces. On CUDA the allocator's count is exact."""


def stretch(
    running: Running, sequences: Sequence[Tokens] | None, optimizer: torch.optim.Optimizer
) -> None:
    """Find the largest size within the cell's budget, and have the cell train with that size.

    `sequences` are None where the inputs are random tokens. The optimiser is of no use after it.
    Raises CannotRun where not even the smallest size is within the budget.
    """
    cell = running.job.cell
    if cell.fit is None:
        return
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    trial = Trial(running, sequences, optimizer, cell.fit)
    most = (
        MOST_SEQUENCES
        if cell.fit.stretched == "batch_size"
        else architecture.longest(running.model)
    )
    share = 1.0 if running.device.type == "cuda" else HOST_SHARE
    budget = int(share * cell.fit.bytes)
    fit = largest(trial.peak, budget, GRAIN[cell.fit.stretched], most)
    if not fit.size:
        raise CannotRun(refusal(cell.fit, cell.settings, fit.tried[0][1]))
    running.recorder.note(fit=fit)
    resized = cell.model_copy(update={"settings": trial.settings(fit.size)})
    running.job = running.job.model_copy(update={"cell": resized})


@dataclass(frozen=True)
class Trial:
    """Tries sizes, one at a time."""

    running: Running
    sequences: Sequence[Tokens] | None
    optimizer: torch.optim.Optimizer
    budget: Budget

    def peak(self, size: int) -> int | None:
        """The peak bytes of training at a size; None where memory ran out."""
        recorder = self.running.recorder
        recorder.say(SizeTried(size=size))
        recorder.meter.reset()  # gives back what the trial before held
        try:
            self._train(size)
        except Exception as error:
            if not shortage.out_of_memory(error):
                raise
            shortage.let_go(error)
            return None
        finally:
            self.optimizer.zero_grad(set_to_none=True)
        return recorder.meter.peak_so_far()

    def settings(self, size: int) -> Settings:
        """The cell's settings with that size."""
        changed: dict[str, Any] = {self.budget.stretched: size}
        return self.running.job.cell.settings.model_copy(update=changed)

    def batches(self, size: int) -> list[list[Batch]]:
        """The steps of a trial, of the worst batches that there may be."""
        settings = self.settings(size).model_copy(update={"steps": STEPS})
        running = self.running
        if self.sequences is None:
            steps = batch.random_steps(running.model, settings, seed=0)
        else:
            worst = max(self.sequences, key=lambda s: len(s.ids))
            steps = batch.steps([worst], settings, seed=0, pad=running.pad)
        return brought.batches(running.strategies, steps, running.pad)

    def _train(self, size: int) -> None:
        model, context = self.running.model, self.running.context
        observer = Sampler(self.running.recorder.meter)
        steps, settings = self.batches(size), self.settings(size)
        train.train(model, self.optimizer, steps, settings, context, observer, self.running.loss)


class Sampler(train.Observer):
    """Looks at the memory where it is highest, and at nothing else."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def after_forward(self) -> None:
        """Memory is at its highest about now."""
        self._meter.sample()


def refusal(budget: Budget, settings: Settings, peak: int) -> str:
    """Why there is nothing to train."""
    tokens, sequences = settings.seq_len, 1
    if budget.stretched == "seq_len":
        tokens, sequences = GRAIN["seq_len"], settings.batch_size
    noun = "sequence" if sequences == 1 else "sequences"
    return (
        f"Nothing fits into {spoken_size(budget.bytes)}: a micro-batch of {sequences} {noun} of "
        f"{tokens:,} tokens needs {_need(budget, peak)}."
    )


def _need(budget: Budget, peak: int) -> str:
    if peak == NO_MEMORY:
        return "more than the device has"
    if peak <= budget.bytes:
        return f"{bytes_text(peak)}, and a tenth of a budget of host memory is kept free"
    return f"{bytes_text(peak)}, {bytes_text(peak - budget.bytes)} more"


def hold_to(running: Running) -> None:
    """Warn where the timed steps needed more than the budget that the trials kept to."""
    fit, peak = running.job.cell.fit, running.recorder.meter.peak_so_far()
    if fit and peak > fit.bytes:
        running.recorder.warn(
            f"Its timed steps needed {bytes_text(peak)}, {bytes_text(peak - fit.bytes)} more than "
            f"the budget of {spoken_size(fit.bytes)} that its trials kept to: take a smaller size."
        )
