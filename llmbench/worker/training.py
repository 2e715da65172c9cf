"""The train phase of a cell: what comes before the loop, and the loop."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from llmbench.plugin.blame import blamed, sentence
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.record import Moved, Step
from llmbench.record.settings import Settings
from llmbench.source import data
from llmbench.worker import (
    anatomy,
    architecture,
    batch,
    brought,
    compiled,
    effective,
    loop,
    precision,
    sharing,
    start,
    tensor,
    train,
    trial,
)
from llmbench.worker.anatomy import Anatomy
from llmbench.worker.encoding import Tokens
from llmbench.worker.running import Running, seed_everything, warn_of_examples
from llmbench.worker.scoring import most_tokens, reference_loss
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
        self._model, self._strategies = running.model, running.strategies
        self._anatomy = Anatomy(running.model, running.base, optimizer)
        seen = self._meter.cuda and not hasattr(optimizer, "gradients_kept_in")
        self._recorded = recorded if seen else None
        self._held_out = held_out
        settings = running.job.cell.settings
        self._validated = steps_to_validate(settings, running.job.cell.tuning)
        self._looked_at = min(settings.burn_in_steps, settings.steps) - 1
        self._before: list[torch.Tensor] = []
        self._number = 0
        self._compiled = 0.0

    def before_step(self, number: int) -> None:
        """Have the allocator write down the step that is taken apart."""
        self._number = number
        self._compiled = compiled.seconds()
        if number == self._recorded:
            self._anatomy.begin()
        if number == self._looked_at:
            self._before = [sampled(w) for w in stepped(self._optimizer)]
        self._meter.clock_starts()

    def after_forward(self) -> None:
        """Memory is at its highest about now."""
        self._meter.sample()

    def before_clearing(self) -> None:
        """Take the step's peak apart while all that it is made of is there; let strategies act."""
        if self._number == self._recorded:
            self._meter.parts = self._anatomy.end()
        for strategy in self._strategies:
            with blamed("strategy", strategy.id, "after_step"):
                strategy.after_step(self._model, self._number + 1)

    def after_step(self, step: Step) -> None:
        """Write the step down; after the first, the optimiser has its states."""
        self._meter.clock_stops()
        compiling = compiled.seconds() - self._compiled
        self._recorder.step(step.model_copy(update={"compile_seconds": compiling}))
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
        most = most_tokens(running)
        with running.recorder.meter.paused():
            loss = reference_loss(running.model, self.sequences, most, running.pad)
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
    """A copy of some elements, evenly spread over the tensor, or over the part of it held here."""
    values = tensor.local(weight.detach())
    stride = max(1, values.numel() // SAMPLED)
    return values.reshape(-1)[::stride][:SAMPLED].clone()


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


def train_phase(running: Running) -> None:
    """Loss and kernels before anything is learnt, then the training steps."""
    cell, recorder, model = running.job.cell, running.recorder, running.model
    if not running.batches:
        sequences = training_sequences(running)
        if cell.fit:
            fill_budget(running, sequences)
        make_batches(running, sequences)
    batches = running.batches
    most = max(b.longest for step in batches for b in step)
    architecture.check_length(model, cell.model.id, most, "--seq-len")
    assert running.first
    # Of what trains it is a check, whose logits may be more than a lean method ever holds.
    with recorder.meter.paused() if cell.trains else nullcontext():
        first = train.first_loss(model, running.first)
    recorder.note(first_loss=first if math.isfinite(first) else None)
    held_out = HeldOut(running, validation_sequences(running))
    if not cell.tuning:
        held_out.look(0)
    if not cell.trains:
        return
    if not math.isfinite(first):
        raise train.Diverged(f"The loss is {first} before anything is learnt: there is no start.")
    with recorder.meter.paused():
        prove_kernel(running, batches[0][0])
        began = start.in_training(model, batches[0], running.context, running.loss, recorder.start)
        recorder.note(start=began)
    sharing.settle(model)
    optimizer = make_optimizer(model, running.strategies, cell.settings)
    recorder.note(optimizer=effective.name_of(optimizer))
    recorder.observe(
        **effective.of_weights(model, running.base, optimizer),
        **effective.of_batches(batches),
        **effective.of_torch(running.device),
    )
    recorded = anatomy.step_to_record(batches, cell.settings)
    witness = Witness(running, optimizer, recorded, held_out)
    seed_everything(cell.seed + running.spread.part_of_data)
    with quiet_collector():
        train_steps(running, optimizer, witness)
    recorder.note(compiled=compiled.so_far())
    trial.hold_to(running)


def train_steps(running: Running, optimizer: torch.optim.Optimizer, witness: Witness) -> None:
    """Train in the loop that a strategy brings, or in the harness's."""
    model, batches, settings = running.model, running.batches, running.job.cell.settings
    share = brought.share_of_rate(running.strategies, settings)
    own, context = brought.bringer(running.strategies, "train"), running.context
    if own is None:
        stepping, spread = running.stepping, running.spread
        loss = brought.loss_in_steps(running.strategies, running.recorder.meter.recording)
        train.train(stepping, optimizer, batches, settings, context, witness, loss, share, spread)
    else:
        kept = running.tokenizer
        loop.train(own, model, optimizer, batches, settings, context, witness, share, kept)


def fill_budget(running: Running, sequences: list[Tokens] | None) -> None:
    """Have the cell train at the largest size within its budget."""
    if own := brought.bringer(running.strategies, "train"):
        raise CannotRun(f"Sizes are tried in llmbench's own loop, in which '{own.id}' is not run.")
    if own := brought.bringer(running.strategies, "record"):
        raise CannotRun(
            f"Sizes are tried with batches of one length, and '{own.id}' keeps memory for each "
            "length: leave it out, or --fit."
        )
    settings = running.job.cell.settings
    # The trials' optimiser has no name here: its states must be gone before peaks start anew.
    trial.stretch(running, sequences, make_optimizer(running.model, running.strategies, settings))
    running.recorder.meter.reset()


def training_sequences(running: Running) -> list[Tokens] | None:
    """What this seed trains on, as tokens; None where random tokens are trained on.

    So they are as well where the sequence length is stretched: no text is as long as asked.
    """
    job, encoder = running.job, running.encoder
    stretched = job.cell.fit.stretched if job.cell.fit else ""
    if encoder is None or job.train_file is None or stretched == "seq_len":
        return None
    pool = data.load_lines(job.train_file)
    wanted = data.drawn(pool, job.cell.settings.train_examples, job.cell.seed)
    examples = [encoder.bare(e) for e in wanted]
    sequences = [sequence for e in examples for sequence in encoder.trained(e)]
    warn_of_examples(running, len(examples), "training")
    return sequences


def validation_sequences(running: Running) -> list[Tokens]:
    """The examples that are held out, as tokens; none where there is no text, or nothing of it."""
    job, encoder = running.job, running.encoder
    if encoder is None or job.validation_file is None:
        return []
    examples = [encoder.bare(e) for e in data.load_lines(job.validation_file)]
    return [sequence for e in examples for sequence in encoder.sequences(e)]


def make_batches(running: Running, sequences: list[Tokens] | None) -> None:
    """Make the batches of every step, before the clock starts, as the strategies have them."""
    padded = training_batches(running, sequences)
    running.first = padded[0][0]
    running.batches = brought.batches(running.strategies, padded, running.pad)


def training_batches(running: Running, sequences: list[Tokens] | None) -> list[list[batch.Batch]]:
    """The batches of every step as all cells have them."""
    settings, seed = running.job.cell.settings, running.job.cell.seed
    if sequences is None:
        return batch.random_steps(running.model, settings, seed)
    return batch.steps(sequences, settings, seed, running.pad)


def make_optimizer(
    model: torch.nn.Module, strategies: Sequence[Strategy], settings: Settings
) -> torch.optim.Optimizer:
    """The optimiser that a strategy brings, or AdamW.

    It steps the model's own weights or, as the precision has it, copies of them in fp32. One that
    a strategy brings gets copies with stochastic rounding, too: by itself it rounds to the nearest.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    parameters, update = list(trained.values()), settings.numerics.update
    if update == "nearest" or any(s.keeps_copies for s in strategies):
        return brought.optimizer(strategies, trained, settings) or train.adamw(parameters, settings)
    if update == "stochastic" and brought.optimizer(strategies, trained, settings) is None:
        return train.adamw(parameters, settings)
    masters = precision.copies(parameters)
    copied = dict(zip(trained, masters, strict=True))
    optimizer = brought.optimizer(strategies, copied, settings) or train.adamw(masters, settings)
    precision.follow(optimizer, parameters, masters)
    return optimizer


def prove_kernel(running: Running, first: batch.Batch) -> None:
    """Run one forward pass as in training, see which attention kernel ran, and let all judge."""
    model = running.model
    model.train()
    moved = first.to(running.device)

    def forward() -> None:
        with running.context(), compiled.left_out(), nothing_kept():
            running.loss(model, moved)

    devices = [0] if running.device.type == "cuda" else []
    attention = getattr(model.config, "_attn_implementation", None)
    with torch.random.fork_rng(devices), effective.seen_in(model, running.device) as facts:
        cut_up = running.spread.ranks > 1 and not running.spread.parts_data
        kernels = effective.observe(forward, attention, cut_up)
    running.recorder.note(attention_kernels=tuple(sorted(kernels)))
    running.recorder.observe(attention=str(attention), **facts)
    for strategy in running.strategies:
        with blamed("strategy", strategy.id, "verify"):
            problem = sentence(strategy.verify(kernels))
        if problem:
            raise CannotRun(problem)


def nothing_kept() -> AbstractContextManager[None]:
    """Have a forward pass that no backward pass follows keep no activations.

    Of layers that are compiled or have a budget, those of code as it is written are many more, and
    might not fit.
    """
    context: AbstractContextManager[None] = torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: None, lambda nothing: nothing
    )
    return context


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Keep Python's cycle collector from running inside a timed step."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
