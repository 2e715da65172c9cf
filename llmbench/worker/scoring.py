"""The evaluate phase of a cell: predictions, their scores, and their rate."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from llmbench import dataset, metric, plugin
from llmbench.metric import Metric
from llmbench.record import Example
from llmbench.worker import evaluate
from llmbench.worker.running import Running, warn_of_cuts

RANDOM_PROMPTS = 8
"""Prompts of random tokens to continue where there is no text: one batch is enough for a rate."""


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
    head, argument = metric.split(name)
    return plugin.registry().metrics.get(head)(argument)
