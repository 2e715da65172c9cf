"""One cell, from its job to its record: load, prepare, train, evaluate, save."""

from __future__ import annotations

import gc
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from llmbench import dataset, plugin
from llmbench.job import Job
from llmbench.metric import Metric
from llmbench.record import Example
from llmbench.strategy import CannotRun, Strategy
from llmbench.worker import batch, evaluate, kernel, load, train
from llmbench.worker.memory import Meter
from llmbench.worker.recorder import Recorder, Say

RANDOM_PROMPTS = 8
"""Prompts of random tokens to continue where there is no text: one batch is enough for a rate."""


@dataclass
class Running:
    """What the phases hand on to each other."""

    job: Job
    strategies: tuple[Strategy, ...]
    device: torch.device
    recorder: Recorder
    model: Any = None
    tokenizer: Any = None
    encoder: batch.Encoder | None = None

    @property
    def pad(self) -> int:
        """The padding token's id."""
        return int(self.tokenizer.pad_token_id) if self.tokenizer else 0

    @contextmanager
    def context(self) -> Iterator[None]:
        """Every strategy's context around a training step."""
        with ExitStack() as stack:
            for strategy in self.strategies:
                stack.enter_context(strategy.training())
            yield


def run(job: Job, say: Say) -> None:
    """Run the cell and write its record, whatever happens."""
    # What is imported by now lives as long as the process: no collection need look at it, which
    # takes a fifth of a second each time, and touches memory that forked processes share.
    gc.freeze()
    device = torch.device("cuda", 0) if job.environment.device == "cuda" else torch.device("cpu")
    probes = [make() for make in plugin.registry().probes.items().values()]
    recorder = Recorder(job, Meter(device), probes, say)
    error: BaseException | None = None
    try:
        phases(Running(job, strategies(job), device, recorder))
    except BaseException as caught:
        error = caught
    recorder.finish(error)


def strategies(job: Job) -> tuple[Strategy, ...]:
    """The cell's strategies with their options."""
    find = plugin.registry().strategies.get
    return tuple(find(m.id).model_validate(m.options) for m in job.cell.members)


def phases(running: Running) -> None:
    """Go through the phases in order."""
    recorder = running.recorder
    with recorder.phase("load"):
        load_phase(running)
    with recorder.phase("prepare"):
        prepare_phase(running)
    with recorder.phase("train"):
        train_phase(running)
    with recorder.phase("evaluate"):
        evaluate_phase(running)
    if running.job.cell.trains:
        with recorder.phase("save"):
            save_phase(running)


def load_phase(running: Running) -> None:
    """Tokenizer and base model."""
    job = running.job
    if job.tokenizer_source:
        running.tokenizer = load.load_tokenizer(job.tokenizer_source, job.cell.model.revision)
        task = plugin.registry().tasks.get(job.cell.task)
        running.encoder = batch.Encoder(running.tokenizer, task, job.cell.settings.seq_len)
    running.model = load.load_model(job, running.strategies, running.device)


def prepare_phase(running: Running) -> None:
    """What the strategies do to the model: adapters, frozen weights, checkpointing."""
    quantized = bool(getattr(running.model, "is_quantized", False))
    seed_everything(running.job.cell.seed)
    for strategy in running.strategies:
        running.model = strategy.prepare(running.model, running.job.cell.settings)
    running.recorder.note(parameters=load.count_parameters(running.model), quantized=quantized)


def train_phase(running: Running) -> None:
    """Loss and kernels before anything is learnt, then the training steps."""
    cell, recorder, model = running.job.cell, running.recorder, running.model
    batches = training_batches(running)
    recorder.note(first_loss=train.first_loss(model, batches[0][0]))
    if not cell.trains:
        return
    prove_kernel(running, batches[0][0])
    optimizer = make_optimizer(running)
    recorder.note(optimizer=type(optimizer).__name__)
    seed_everything(cell.seed)
    with quiet_collector():
        train.train(
            model,
            optimizer,
            batches,
            cell.settings,
            running.context,
            recorder.step,
            recorder.meter.sample,
        )


def training_batches(running: Running) -> list[list[batch.Batch]]:
    """The batches of every step, made before the clock starts."""
    job, settings = running.job, running.job.cell.settings
    if running.encoder is None or job.train_file is None:
        vocabulary = running.model.config.vocab_size
        return batch.random_steps(vocabulary, settings, job.cell.seed)
    examples = dataset.load_lines(job.train_file)
    sequences = [running.encoder.sequence(e) for e in examples]
    warn_of_cuts(running, len(examples), "training")
    return batch.steps(sequences, settings, job.cell.seed, running.pad)


def make_optimizer(running: Running) -> Any:
    """The optimiser that a strategy brings, or AdamW."""
    settings = running.job.cell.settings
    parameters = [p for p in running.model.parameters() if p.requires_grad]
    for strategy in running.strategies:
        own = strategy.optimizer(parameters, settings)
        if own is not None:
            return own
    return train.adamw(running.model, settings)


def prove_kernel(running: Running, first: batch.Batch) -> None:
    """Run one forward pass as in training, see which attention kernel ran, and let all judge."""
    model = running.model
    model.train()
    moved = first.to(running.device)

    def forward() -> None:
        with running.context():
            train.forward_loss(model, moved)

    with torch.random.fork_rng(devices=[0] if running.device.type == "cuda" else []):
        attention = getattr(model.config, "_attn_implementation", None)
        kernels = kernel.observe(forward, attention)
    running.recorder.note(attention_kernels=tuple(sorted(kernels)))
    for strategy in running.strategies:
        problem = strategy.verify(kernels)
        if problem:
            raise CannotRun(problem)


def evaluate_phase(running: Running) -> None:
    """Loss on the references, predictions and their scores."""
    recorder, settings = running.recorder, running.job.cell.settings
    if running.encoder is None or running.job.eval_file is None:
        generate_without_text(running)
        return
    examples = dataset.load_lines(running.job.eval_file)
    running.encoder.cut.clear()
    sequences = [running.encoder.sequence(e) for e in examples]
    prompts = [running.encoder.prompt(e, settings.seq_len) for e in examples]
    warn_of_cuts(running, len(examples), "evaluated")
    loss = evaluate.reference_loss(running.model, sequences, settings.eval_batch_size, running.pad)
    output = generate(running, prompts, fixed_length=False)
    texts = running.tokenizer.batch_decode(output.ids, skip_special_tokens=True)
    predicted = [
        Example(id=e.id, references=e.references, prediction=text.strip(), new_tokens=len(ids))
        for e, text, ids in zip(examples, texts, output.ids, strict=True)
    ]
    # Noted before they are scored: a metric that fails costs no prediction.
    recorder.note(eval_loss=loss, generation=output.generation, examples=tuple(predicted))
    scores, corpus = score(running.job.cell.metrics, predicted)
    recorder.note(
        corpus_scores=corpus,
        examples=tuple(
            e.model_copy(update={"scores": {name: values[i] for name, values in scores.items()}})
            for i, e in enumerate(predicted)
        ),
    )


def generate_without_text(running: Running) -> None:
    """Measure the generation rate on prompts of random tokens; quality stays empty."""
    settings = running.job.cell.settings
    length = max(1, settings.seq_len - settings.max_new_tokens)
    generator = torch.Generator().manual_seed(running.job.cell.seed)
    shape = (min(RANDOM_PROMPTS, settings.eval_examples), length)
    prompts = torch.randint(running.model.config.vocab_size, shape, generator=generator).tolist()
    output = generate(running, prompts, fixed_length=True)
    running.recorder.note(generation=output.generation)


def generate(
    running: Running, prompts: Sequence[Sequence[int]], fixed_length: bool
) -> evaluate.Output:
    """Generate, and tell the parent how far it is."""

    def done(count: int) -> None:
        running.recorder.meter.sample()
        running.recorder.say({"event": "generate", "done": count, "total": len(prompts)})

    settings = running.job.cell.settings
    return evaluate.generate(running.model, prompts, settings, running.pad, fixed_length, done)


def score(
    names: Sequence[str], predicted: Sequence[Example]
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Every metric's figures, per example and for the whole set."""
    predictions = [e.prediction for e in predicted]
    references = [e.references for e in predicted]
    examples: dict[str, list[float]] = {}
    corpus: dict[str, float] = {}
    for name in names:
        result = make_metric(name).score(predictions, references)
        examples |= result.examples
        corpus |= result.corpus
    return examples, corpus


def make_metric(name: str) -> Metric:
    """The metric of `id` or `id:argument`."""
    head, colon, argument = name.partition(":")
    return plugin.registry().metrics.get(head)(argument if colon else None)


def save_phase(running: Running) -> None:
    """Save what was trained, note its size, and remove it."""
    folder = running.job.work_folder / "artifact"
    extra = {"save_embedding_layers": False} if hasattr(running.model, "peft_config") else {}
    running.model.save_pretrained(folder, **extra)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    shutil.rmtree(folder)
    running.recorder.note(artifact_bytes=size)


def warn_of_cuts(running: Running, examples: int, role: str) -> None:
    """Say how many inputs did not fit into the sequence length."""
    if running.encoder and running.encoder.cut:
        count, length = len(running.encoder.cut), running.job.cell.settings.seq_len
        running.recorder.warn(
            f"{count} of {examples} {role} examples were cut to fit {length} tokens (--seq-len)."
        )


def seed_everything(seed: int) -> None:
    """Seed Python's and torch's generators, of every device."""
    random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Keep Python's cycle collector from running inside a timed step."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
