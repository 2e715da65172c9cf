"""One cell, from its job to its record: load, prepare, train, evaluate, save."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import torch

from llmbench import plugin
from llmbench.errors import PluginError
from llmbench.plugin import named
from llmbench.plugin.blame import blamed
from llmbench.plugin.strategy import Strategy
from llmbench.record.events import Say
from llmbench.record.record import Cell, Member, Status
from llmbench.record.settings import Settings
from llmbench.worker import (
    architecture,
    coverage,
    effective,
    encoding,
    guard,
    load,
    precision,
    sharing,
    sound,
    start,
    template,
    tensor,
    tokens,
)
from llmbench.worker.guard import Watched
from llmbench.worker.memory import Meter
from llmbench.worker.recorder import Recorder
from llmbench.worker.running import Running, be_deterministic, seed_everything
from llmbench.worker.saving import save_phase
from llmbench.worker.scoring import evaluate_phase
from llmbench.worker.spread import ALONE, Spread
from llmbench.worker.training import make_batches, train_phase, training_sequences
from llmbench.workers.job import Job


def run(job: Job, say: Say, spread: Spread = ALONE) -> Status:
    """Run the cell and write its record, whatever happens; returns how it ended."""
    # What is imported by now lives as long as the process: no collection need look at it, which
    # takes a fifth of a second each time, and touches memory that forked processes share.
    gc.freeze()
    if job.cell.settings.deterministic:
        be_deterministic()
    if job.threads:
        torch.set_num_threads(job.threads)
    precision.begin(job.cell.settings.numerics)
    effective.choose()
    device = torch.device("cuda", 0) if job.environment.device == "cuda" else torch.device("cpu")
    kinds = plugin.registry().probes.items()
    probes = [Watched(name, kind, str(device)) for name, kind in kinds.items()]
    recorder = Recorder(job, Meter(device), probes, say)
    error: BaseException | None = None
    try:
        phases(Running(job, strategies(job.cell), device, recorder, spread))
        for probe in probes:
            probe.settle()
    except BaseException as caught:
        error = caught
    return recorder.finish(error)


def strategies(cell: Cell) -> tuple[Strategy, ...]:
    """The cell's strategies with their options."""
    return tuple(strategy(m) for m in cell.members)


def strategy(member: Member) -> Strategy:
    """A member's strategy with its options."""
    kind = installed(member)
    with blamed("strategy", member.id, "reading its options"):
        return kind.model_validate(member.options)


def installed(member: Member) -> type[Strategy]:
    """The member's class; PluginError where its plugin works in the parent only."""
    registry = plugin.registry()
    if member.id not in registry.strategies.entries:
        broken = [s.broken for s in registry.plugins if s.distribution == member.distribution]
        why = next((f" ({b})" for b in broken if b), "")
        raise PluginError(
            f"The strategy '{member.id}' of {member.distribution} is not there in the worker{why}."
        )
    return registry.strategies.get(member.id)


def phases(running: Running) -> None:
    """Go through the phases in order."""
    recorder = running.recorder
    with recorder.phase("load"):
        load_phase(running)
    with recorder.phase("prepare"):
        prepare_phase(running)
    with recorder.phase("train"):
        train_phase(running)
    cell = running.job.cell
    if cell.fit or cell.tuning or cell.repeat or not running.job.evaluates:
        return  # quality is that of the cell that is reported
    with recorder.phase("evaluate"):
        sharing.gather(running)
        if running.needed:
            evaluate_phase(running)
    if cell.trains and running.needed and not cell.pilot:
        with recorder.phase("save"):
            save_phase(running)


def load_phase(running: Running) -> None:
    """Tokenizer and base model."""
    job, recorder = running.job, running.recorder
    if job.tokenizer_source:
        config = architecture.config_of(job.model_source, job.cell.model)
        running.tokenizer = tokens.load_tokenizer(job.tokenizer_source, job.cell.model)
        for sentence in tokens.fit(running.tokenizer, config, job.cell.model.id):
            recorder.warn(sentence)
        task = named.task(job.cell.task)
        settings = job.cell.settings
        written = template.choose(
            running.tokenizer,
            settings.template,
            job.cell.model.id,
            settings.special_tokens,
            architecture.paired(config),
            task.running_text,
        )
        running.encoder = encoding.Encoder(running.tokenizer, task, written, settings.seq_len)
        recorder.observe(template=written.name)
    running.model = load.load_model(job, running.strategies, running.device, recorder.warn)
    architecture.check_length(
        running.model, job.cell.model.id, job.cell.settings.max_new_tokens, "--max-new-tokens"
    )
    precision.cast_products(running.model, job.cell.settings.numerics, running.device)
    running.base = tensor.base_of(running.model)


def prepare_phase(running: Running) -> None:
    """What the strategies do to the model: adapters, frozen weights, checkpointing."""
    sound.check(running.model)
    quantized = bool(getattr(running.model, "is_quantized", False))
    if running.job.cell.trains and not running.job.cell.fit:
        make_batches(running, training_sequences(running))
        with running.recorder.meter.paused():
            running.recorder.note(start=start.as_loaded(running.model, running.first))
    seed_everything(running.job.cell.seed)
    running.model = prepared(running.model, running.strategies, running.job.cell.settings)
    running.recorder.note(parameters=coverage.count(running.model), quantized=quantized)
    beside = coverage.check_adapted(running.model)
    if beside:
        running.recorder.warn(beside)
    sharing.distribute(running)


def prepared(model: Any, strategies: Sequence[Strategy], settings: Settings) -> Any:
    """The model after every strategy has made it ready."""
    for strategy in strategies:
        with blamed("strategy", strategy.id, "prepare"):
            model = guard.model(strategy.prepare(model, settings))
    precision.cast_trained(model, settings.numerics)
    return model
