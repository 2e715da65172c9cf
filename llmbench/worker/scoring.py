"""The evaluate phase of a cell: predictions, their scores, and their rate."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch

from llmbench import metric, plugin
from llmbench.fetch import dataset
from llmbench.metric import Score
from llmbench.record import Example
from llmbench.worker import evaluate, guard, load
from llmbench.worker.guard import guarded
from llmbench.worker.running import Running, warn_of_cuts
from llmbench.worker.train import Diverged

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
    most = max(len(s.ids) for s in sequences)
    load.check_length(running.model, running.job.cell.model.id, most, "--seq-len")
    # The model's positions are for the prompt and what it is continued with.
    room = max(1, min(settings.seq_len, load.longest(running.model) - settings.max_new_tokens))
    prompts = [running.encoder.prompt(e, room) for e in examples]
    warn_of_cuts(running, len(examples), "evaluated")
    if running.encoder.cut and room < settings.seq_len:
        recorder.warn(
            f"Prompts have at most {room:,} tokens: the model has positions for "
            f"{load.longest(running.model):,}, predictions included (--max-new-tokens)."
        )
    loss = evaluate.reference_loss(running.model, sequences, settings.eval_batch_size, running.pad)
    if running.job.cell.trains and not math.isfinite(loss):  # of the last step, nobody has seen it
        raise Diverged(f"The loss of evaluation is {loss}: try a lower learning rate.")
    output = generate(running, prompts, fixed_length=False)
    texts = running.tokenizer.batch_decode(output.ids, skip_special_tokens=True)
    predicted = [
        Example(id=e.id, references=e.references, prediction=text.strip(), new_tokens=len(ids))
        for e, text, ids in zip(examples, texts, output.ids, strict=True)
    ]
    # Noted before they are scored: a metric that fails costs no prediction.
    known = loss if math.isfinite(loss) else None
    recorder.note(eval_loss=known, generation=output.generation, examples=tuple(predicted))
    score(running, predicted)


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
    ends = None if fixed_length else running.ends
    return evaluate.generate(running.model, prompts, settings, running.pad, ends, done)


def score(running: Running, predicted: Sequence[Example]) -> None:
    """Note every metric's figures, per example and for the whole set.

    One that fails costs the figures of no other; its error is raised once all have been asked.
    """
    examples, corpus = tuple(predicted), dict[str, float]()
    problem: Exception | None = None
    for name in running.job.cell.metrics:
        try:
            found = scores(name, examples, corpus)
        except Exception as error:
            problem = problem or error
            continue
        corpus |= found.corpus
        examples = tuple(_with(e, i, found) for i, e in enumerate(examples))
        running.recorder.note(corpus_scores=corpus, examples=examples)
    if problem:
        raise problem


def scores(name: str, examples: Sequence[Example], corpus: Collection[str]) -> Score:
    """One metric's figures, under names that no figure has yet."""
    head, argument = metric.split(name)
    kind = plugin.registry().metrics.get(head)
    predictions, references = zip(*((e.prediction, e.references) for e in examples), strict=True)
    with guarded("metric", head, "score"):
        found = kind(argument).score(predictions, references)
        return guard.score(found, examples, {*corpus, *examples[0].scores})


def _with(example: Example, index: int, found: Score) -> Example:
    own = {name: values[index] for name, values in found.examples.items()}
    return example.model_copy(update={"scores": {**example.scores, **own}})
