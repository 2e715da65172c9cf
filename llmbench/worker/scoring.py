"""The evaluate phase of a cell: predictions, their scores, and their rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch.nn.functional import cross_entropy

from llmbench.plugin import scoring, task
from llmbench.plugin.blame import blamed
from llmbench.plugin.metric import ModelMetric, Subject
from llmbench.plugin.scoring import Scored
from llmbench.record.events import Generated
from llmbench.record.record import Example, Generation, GenerationBatch
from llmbench.record.settings import Settings
from llmbench.source import data
from llmbench.worker import architecture, decoding, load, precision, shortage
from llmbench.worker.batch import IGNORED, Batch, collate
from llmbench.worker.encoding import Tally, Tokens
from llmbench.worker.running import Running, warn_of_examples
from llmbench.worker.train import Diverged, forward_loss, synchronize

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Output:
    """Token ids that a model continued each prompt with, up to and with the end of text."""

    ids: tuple[tuple[int, ...], ...]
    generation: Generation
    decoding: str
    """In which way, in words."""
    at_a_time: int
    """How many were to be continued together."""


WITHOUT_GRADIENTS = 2
"""Batches that no backward pass follows have so many times a micro-batch's tokens: instead of all
activations and gradients they need the logits."""


def most_tokens(running: Running) -> int:
    """Tokens, padding included, of a batch that losses are taken on."""
    largest = max(b.padded_tokens for step in running.batches for b in step)
    return WITHOUT_GRADIENTS * largest


def reference_loss(
    model: torch.nn.Module, sequences: Sequence[Tokens], most: int, pad: int
) -> float:
    """Mean cross entropy per token of the references, given their prompts.

    In batches of like length, of `most` tokens, padding included, or one sequence.
    """
    device = next(model.parameters()).device
    ordered = sorted(sequences, key=lambda s: -len(s.ids))

    def loss(group: Sequence[Tokens]) -> tuple[torch.Tensor, int]:
        batch = collate(group, pad)
        mean = forward_loss(model, batch.to(device)).double()
        return mean * batch.supervised_tokens, batch.supervised_tokens

    model.eval()
    with torch.no_grad():
        made = [m for _, m in batched(ordered, partial(fitting, most), loss)]
    total = torch.stack([nats for nats, _ in made]).sum()
    return float(total.item() / sum(tokens for _, tokens in made))


def fitting(most: int, sequences: Sequence[Tokens]) -> int:
    """How many of the first, the longest of which comes first, have that many tokens at most."""
    return max(1, most // len(sequences[0].ids))


def reference_losses(
    model: torch.nn.Module, sequences: Sequence[Tokens], most: int, pad: int
) -> list[tuple[float, int]]:
    """Mean cross entropy and tokens of each reference, given its prompt.

    In batches as `reference_loss` takes them, and from the logits: a model's own loss is a mean
    over the batch. An encoder-decoder's is its own, and taken one at a time.
    """
    device = next(model.parameters()).device
    own = any(s.paired for s in sequences)

    def room(rest: Sequence[int]) -> int:
        return 1 if own else fitting(most, [sequences[rest[0]]])

    def losses(group: Sequence[int]) -> list[tuple[float, int]]:
        batch = collate([sequences[i] for i in group], pad).to(device)
        if own:
            return [(forward_loss(model, batch).item(), batch.supervised_tokens)]
        return losses_of_rows(model, batch)

    pairs: dict[int, tuple[float, int]] = {}
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i].ids))
    model.eval()
    with torch.no_grad():
        for group, made in batched(order, room, losses):
            pairs |= zip(group, made, strict=True)
    return [pairs[i] for i in range(len(sequences))]


def losses_of_examples(
    model: torch.nn.Module, examples: Sequence[Sequence[Tokens]], most: int, pad: int
) -> list[tuple[float, int]]:
    """The same of examples that may have several sequences: over the tokens of all of them."""
    pairs = iter(reference_losses(model, [s for own in examples for s in own], most, pad))
    joined = []
    for own in examples:
        losses = [next(pairs) for _ in own]
        tokens = sum(count for _, count in losses)
        joined.append((sum(mean * count for mean, count in losses) / tokens, tokens))
    return joined


def losses_of_rows(model: torch.nn.Module, batch: Batch) -> list[tuple[float, int]]:
    """Mean cross entropy and tokens of each sequence of a causal model's batch."""
    # What comes before the sequences, as prompts that are trained do, predicts nothing of theirs.
    logits = model(input_ids=batch.input_ids, use_cache=False).logits
    logits = logits[:, -batch.input_ids.shape[1] :]
    rows = zip(logits[:, :-1], batch.labels[:, 1:], strict=True)
    chosen = [(row[labels != IGNORED], labels[labels != IGNORED]) for row, labels in rows]
    means = torch.stack([cross_entropy(row.float(), labels) for row, labels in chosen])
    return list(zip(means.tolist(), (len(labels) for _, labels in chosen), strict=True))


def batched(
    items: Sequence[Item],
    room: Callable[[Sequence[Item]], int],
    run: Callable[[Sequence[Item]], Made],
) -> Iterator[tuple[Sequence[Item], Made]]:
    """Groups of items, each with what `run` makes of it.

    `room` says how many of the first it takes. Where memory runs out, that group is half as large,
    and none that follows is larger.
    """
    most = len(items)
    while items:
        group = items[: min(most, room(items))]
        try:
            made = run(group)
        except Exception as error:
            if len(group) == 1 or not shortage.out_of_memory(error):
                raise
            shortage.let_go(error)
            most = len(group) // 2
            continue
        yield group, made
        items = items[len(group) :]


def continued(
    model: Any,
    prompts: Sequence[Sequence[int]],
    settings: Settings,
    pad: int,
    ends: Sequence[int] | None,
    on_batch: Callable[[int], None],
    stop: Mapping[str, Any] | None = None,
) -> Output:
    """Continue each prompt greedily, in batches of like length, padded on the left.

    A prediction goes up to one of the tokens of `ends`; without, each has `max_new_tokens` tokens:
    the work of a generation whose content means nothing. `stop` has texts that end one as well, and
    the tokenizer to find them with, as `generate` takes them.
    """
    device = next(model.parameters()).device
    paired = architecture.paired(model.config)
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    tokens = max(map(len, prompts)) + settings.max_new_tokens
    size = decoding.at_a_time(model, settings, tokens, device)
    way = decoding.way(model, settings, pad, ends, stop)
    continuations: dict[int, tuple[int, ...]] = {}
    timed: list[GenerationBatch] = []
    warm = False

    def timed_batch(group: Sequence[int]) -> tuple[torch.Tensor, float]:
        nonlocal warm
        ids, mask = padded([prompts[i] for i in group], pad, left=not paired)
        ids, mask = ids.to(device), mask.to(device)
        if not warm:
            way.warm_up(ids, mask)
        warm = False  # where memory runs out
        synchronize(device)
        started = time.perf_counter()
        new = way.continued(ids, mask)
        synchronize(device)
        warm = True
        return new, time.perf_counter() - started

    model.eval()
    with torch.no_grad():
        for group, (new, seconds) in batched(order, lambda rest: size, timed_batch):
            rows = [until_end(row, ends or ()) for row in new.tolist()]
            rows = [unpadded(row, pad) for row in rows] if stop else rows
            continuations |= zip(group, rows, strict=True)
            timed.append(
                GenerationBatch(
                    seconds=seconds,
                    new_tokens=sum(map(len, rows)),
                    decoded_tokens=new.numel(),
                )
            )
            on_batch(len(continuations))
    ordered = tuple(continuations[i] for i in range(len(prompts)))
    how = way.name + (", prompts one at a time" if decoding.apart(model) else "")
    return Output(ordered, Generation(batches=tuple(timed)), how, size)


def prompt_room(model: Any, settings: Settings) -> int:
    """Tokens that a prompt may have: a causal model's positions are for what it writes, too."""
    written = 0 if architecture.paired(model.config) else settings.max_new_tokens
    return max(1, min(settings.seq_len, architecture.longest(model) - written))


def padded(
    prompts: Sequence[Sequence[int]], pad: int, left: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, int64 of shape (prompts, longest).

    Padding comes before what a causal model continues. An encoder counts its positions from the
    first token, and so padding comes behind.
    """
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        first = longest - len(prompt) if left else 0
        ids[row, first : first + len(prompt)] = torch.tensor(prompt)
        mask[row, first : first + len(prompt)] = 1
    return ids, mask


def until_end(ids: Sequence[int], ends: Sequence[int]) -> tuple[int, ...]:
    """The ids up to and with the first end-of-text token."""
    for position, token in enumerate(ids):
        if token in ends:
            return tuple(ids[: position + 1])
    return tuple(ids)


def unpadded(ids: Sequence[int], pad: int) -> tuple[int, ...]:
    """The ids without the padding behind them, which a text that ended early has."""
    last = max((i for i, token in enumerate(ids) if token != pad), default=-1)
    return tuple(ids[: last + 1])


def before_stop(text: str, stop: Sequence[str]) -> str:
    """The text up to the first of those that end it."""
    return text[: min((at for s in stop if (at := text.find(s)) >= 0), default=len(text))]


RANDOM_PROMPTS = 8
"""Prompts of random tokens to continue where there is no text: one batch is enough for a rate."""


def evaluate_phase(running: Running) -> None:
    """Loss on the references, predictions and their scores."""
    recorder, settings = running.recorder, running.job.cell.settings
    if running.encoder is None or running.job.eval_file is None:
        generate_without_text(running)
        return
    running.encoder.tally = Tally()
    examples = [running.encoder.bare(e) for e in data.load_lines(running.job.eval_file)]
    sequences = [running.encoder.sequences(e) for e in examples]
    most = max(len(s.ids) for own in sequences for s in own)
    architecture.check_length(running.model, running.job.cell.model.id, most, "--seq-len")
    if not architecture.writes(running.model):
        judge_without_writing(running, examples, [s for own in sequences for s in own])
        return
    # The model's positions are for the prompt and what it is continued with.
    room = prompt_room(running.model, settings)
    prompts = [running.encoder.opening(e, room) for e in examples]
    warn_of_examples(running, len(examples), "evaluated")
    if running.encoder.tally.cut and room < settings.seq_len:
        recorder.warn(
            f"Prompts have at most {room:,} tokens: the model has positions for "
            f"{architecture.longest(running.model):,}, predictions included (--max-new-tokens)."
        )
    losses = losses_of_examples(running.model, sequences, most_tokens(running), running.pad)
    loss = sum(nats * count for nats, count in losses) / sum(count for _, count in losses)
    hold_finite(running, loss)
    output = generate(running, prompts, fixed_length=False)
    decoded = running.tokenizer.batch_decode(output.ids, skip_special_tokens=True)
    texts = [before_stop(text, running.encoder.task.stop) for text in decoded]
    predicted = [
        Example(
            id=e.id,
            references=e.references,
            prediction=text.strip(),
            new_tokens=len(ids),
            loss=nats if math.isfinite(nats) else None,
        )
        for e, text, ids, (nats, _) in zip(examples, texts, output.ids, losses, strict=True)
    ]
    # Noted before they are scored: a metric that fails costs no prediction.
    known = loss if math.isfinite(loss) else None
    recorder.note(eval_loss=known, generation=output.generation, examples=tuple(predicted))
    score(running, predicted, examples)


def judge_without_writing(
    running: Running, examples: Sequence[task.Example], sequences: Sequence[Tokens]
) -> None:
    """Loss, and the scores of metrics that look at the model, of one that writes no text."""
    loss = reference_loss(running.model, sequences, most_tokens(running), running.pad)
    hold_finite(running, loss)
    unwritten = [
        Example(id=e.id, references=e.references, prediction="", new_tokens=0) for e in examples
    ]
    known = loss if math.isfinite(loss) else None
    running.recorder.note(eval_loss=known, examples=tuple(unwritten))
    score(running, unwritten, examples)


def hold_finite(running: Running, loss: float) -> None:
    """Diverged where training has broken the model with its last step, which nobody has seen."""
    if running.job.cell.trains and not math.isfinite(loss):
        raise Diverged(f"The loss of evaluation is {loss}: try a lower learning rate.")


def generate_without_text(running: Running) -> None:
    """Measure the generation rate on prompts of random tokens; quality stays empty."""
    settings = running.job.cell.settings
    length = max(1, settings.seq_len - settings.max_new_tokens)
    generator = torch.Generator().manual_seed(running.job.cell.seed)
    shape = (min(RANDOM_PROMPTS, settings.eval_examples), length)
    prompts = torch.randint(
        architecture.vocabulary(running.model), shape, generator=generator
    ).tolist()
    output = generate(running, prompts, fixed_length=True)
    running.recorder.note(generation=output.generation)


def generate(running: Running, prompts: Sequence[Sequence[int]], fixed_length: bool) -> Output:
    """Generate, and tell the parent how far it is."""

    def done(count: int) -> None:
        running.recorder.meter.sample()
        running.recorder.say(Generated(done=count, total=len(prompts)))

    settings = running.job.cell.settings
    ends = None if fixed_length else running.ends
    texts = running.encoder.task.stop if running.encoder and not fixed_length else ()
    stop = {"stop_strings": list(texts), "tokenizer": running.tokenizer} if texts else None
    output = continued(running.model, prompts, settings, running.pad, ends, done, stop)
    running.recorder.observe(decoding=output.decoding)
    if len(output.generation.batches) > math.ceil(len(prompts) / output.at_a_time):
        running.recorder.warn(
            f"Memory ran out with {output.at_a_time} predictions at a time, and so there "
            "were fewer: its generation is slower than it could be (--eval-batch-size)."
        )
    return output


class Evaluated(Subject):
    """A cell's model and its evaluated examples, as a metric that looks at the model sees them."""

    def __init__(
        self,
        running: Running,
        examples: Sequence[task.Example],
        known: Scored,
        model: torch.nn.Module | None = None,
    ) -> None:
        self.model, self.tokenizer = model or running.model, running.tokenizer
        self.predictions, self.references = known.predictions, known.references
        self.choices = running.encoder.task.choices if running.encoder else ()
        self.inputs = [e.content for e in examples]
        self.rejected = [e.rejected for e in examples]
        self._running, self._examples, self._known = running, examples, known

    def losses(self, answers: Sequence[str]) -> list[tuple[float, int]]:
        """Summed cross entropy in nats and tokens of each example's answer, its end included."""
        encoder = self._running.encoder
        assert encoder
        pairs = zip(self._examples, answers, strict=True)
        sequences = [encoder.sequences(replace(e, references=(text,))) for e, text in pairs]
        most = most_tokens(self._running)
        means = losses_of_examples(self.model, sequences, most, self._running.pad)
        return [(mean * tokens, tokens) for mean, tokens in means]

    @contextmanager
    def base(self) -> Iterator[Subject]:
        """The same with the model as it was loaded, which an untrained cell still has."""
        running, job = self._running, self._running.job
        if not job.cell.trains:
            yield self
            return
        with running.recorder.meter.paused():
            model = load.load_model(job, running.strategies, running.device)
            precision.cast_products(model, job.cell.settings.numerics, running.device)
            yield Evaluated(running, self._examples, self._known, model)
            del model


def score(running: Running, predicted: Sequence[Example], examples: Sequence[task.Example]) -> None:
    """Note every metric's figures, per example and for the whole set.

    One that fails costs the figures of no other; its error is raised once all have been asked.
    """
    known, problem = Scored(tuple(predicted), {}), None
    for text in running.job.cell.metrics:
        try:
            known = plus(known, text, Evaluated(running, examples, known))
        except Exception as error:
            problem = problem or error
            continue
        running.recorder.note(
            corpus_scores=known.corpus, examples=known.examples, measures=known.measures
        )
    if problem:
        raise problem


def plus(known: Scored, text: str, subject: Subject) -> Scored:
    """What is known with the figures of the metric that `--metrics` names by that text."""
    metric = scoring.metric(text)
    with blamed("metric", metric.id, "score"):
        if isinstance(metric, ModelMetric):
            return known.plus(text, metric, lambda: metric.look(subject))
        return known.plus(text, metric, lambda: metric.score(known.predictions, known.references))
