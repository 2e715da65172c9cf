"""The train phase of a cell: what comes before the loop, and the loop."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from llmbench.fetch import dataset
from llmbench.setting import Settings
from llmbench.strategy import CannotRun, Strategy
from llmbench.worker import (
    anatomy,
    batch,
    effective,
    guard,
    kernel,
    load,
    precision,
    train,
    trial,
)
from llmbench.worker.guard import guarded
from llmbench.worker.running import Running, warn_of_cuts
from llmbench.worker.seed import seed_everything
from llmbench.worker.witness import HeldOut, Witness


def train_phase(running: Running) -> None:
    """Loss and kernels before anything is learnt, then the training steps."""
    sequences = training_sequences(running)
    if running.job.cell.fit:
        fill_budget(running, sequences)
    cell, recorder, model = running.job.cell, running.recorder, running.model
    batches = training_batches(running, sequences)
    most = max(b.input_ids.shape[1] for step in batches for b in step)
    load.check_length(model, cell.model.id, most, "--seq-len")
    first = train.first_loss(model, batches[0][0])
    recorder.note(first_loss=first if math.isfinite(first) else None)
    held_out = HeldOut(running, validation_sequences(running))
    if not cell.tuning:
        held_out.look(0)
    if not cell.trains:
        return
    if not math.isfinite(first):
        raise train.Diverged(f"The loss is {first} before anything is learnt: there is no start.")
    prove_kernel(running, batches[0][0])
    optimizer = make_optimizer(model, running.strategies, cell.settings)
    recorder.note(optimizer=effective.name_of(optimizer))
    recorder.observe(
        **effective.of_weights(model, running.base, optimizer),
        **effective.of_batches(batches),
        **effective.of_torch(),
    )
    recorded = anatomy.step_to_record(batches, cell.settings)
    witness = Witness(running, optimizer, recorded, held_out)
    seed_everything(cell.seed)
    with quiet_collector():
        train.train(model, optimizer, batches, cell.settings, running.context, witness)
    trial.hold_to(running)


def fill_budget(running: Running, sequences: list[batch.Tokens] | None) -> None:
    """Have the cell train at the largest size within its budget."""
    settings = running.job.cell.settings
    # The trials' optimiser has no name here: its states must be gone before peaks start anew.
    trial.stretch(running, sequences, make_optimizer(running.model, running.strategies, settings))
    running.recorder.meter.reset()


def training_sequences(running: Running) -> list[batch.Tokens] | None:
    """The training data as tokens; None where random tokens are trained on.

    So they are as well where the sequence length is stretched: no text is as long as asked.
    """
    job, encoder = running.job, running.encoder
    stretched = job.cell.fit.stretched if job.cell.fit else ""
    if encoder is None or job.train_file is None or stretched == "seq_len":
        return None
    examples = dataset.load_lines(job.train_file)
    sequences = [encoder.sequence(e) for e in examples]
    warn_of_cuts(running, len(examples), "training")
    return sequences


def validation_sequences(running: Running) -> list[batch.Tokens]:
    """The examples that are held out, as tokens; none where there is no text, or nothing of it."""
    job, encoder = running.job, running.encoder
    if encoder is None or job.validation_file is None:
        return []
    return [encoder.sequence(e) for e in dataset.load_lines(job.validation_file)]


def training_batches(
    running: Running, sequences: list[batch.Tokens] | None
) -> list[list[batch.Batch]]:
    """The batches of every step, made before the clock starts."""
    settings, seed = running.job.cell.settings, running.job.cell.seed
    if sequences is None:
        return batch.random_steps(running.model.config.vocab_size, settings, seed)
    return batch.steps(sequences, settings, seed, running.pad)


def make_optimizer(
    model: torch.nn.Module, strategies: Sequence[Strategy], settings: Settings
) -> torch.optim.Optimizer:
    """The optimiser that a strategy brings, or AdamW.

    It steps the model's own weights or, as the precision has it, copies of them in fp32. One that
    a strategy brings gets copies with stochastic rounding, too: by itself it rounds to the nearest.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    update = settings.numerics.update
    if update == "nearest":
        return brought(strategies, parameters, settings) or train.adamw(parameters, settings)
    if update == "stochastic" and brought(strategies, parameters, settings) is None:
        return train.adamw(parameters, settings)
    masters = precision.copies(parameters)
    optimizer = brought(strategies, masters, settings) or train.adamw(masters, settings)
    precision.follow(optimizer, parameters, masters)
    return optimizer


def brought(
    strategies: Sequence[Strategy], weights: Sequence[torch.nn.Parameter], settings: Settings
) -> torch.optim.Optimizer | None:
    """The optimiser that a strategy brings, if one does."""
    for strategy in strategies:
        with guarded("strategy", strategy.id, "optimizer"):
            own = guard.optimizer(strategy.optimizer(weights, settings))
        if own is not None:
            return own
    return None


def prove_kernel(running: Running, first: batch.Batch) -> None:
    """Run one forward pass as in training, see which attention kernel ran, and let all judge."""
    model = running.model
    model.train()
    moved = first.to(running.device)

    def forward() -> None:
        with running.context():
            train.forward_loss(model, moved)

    devices = [0] if running.device.type == "cuda" else []
    attention = getattr(model.config, "_attn_implementation", None)
    with torch.random.fork_rng(devices), effective.seen_in(model, running.device) as facts:
        kernels = kernel.observe(forward, attention)
    running.recorder.note(attention_kernels=tuple(sorted(kernels)))
    running.recorder.observe(attention=str(attention), **facts)
    for strategy in running.strategies:
        with guarded("strategy", strategy.id, "verify"):
            problem = guard.sentence(strategy.verify(kernels))
        if problem:
            raise CannotRun(problem)


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Keep Python's cycle collector from running inside a timed step."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
