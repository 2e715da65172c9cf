"""From examples to batches of token ids."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from llmbench.plugin.task import Example, Task
from llmbench.record.settings import Settings
from llmbench.worker.template import Template

IGNORED = -100
"""Label of a token that no loss is taken on; torch's cross entropy leaves it out."""


@dataclass(frozen=True)
class Tokens:
    """Token ids of one training sequence, and how many of the first are the prompt."""

    ids: tuple[int, ...]
    prompt: int


@dataclass(frozen=True)
class Batch:
    """A micro-batch, padded on the right to its longest sequence.

    `input_ids` and `labels` are int64 of shape (sequences, length). No attention mask goes with
    them: under a causal mask no real token sees padding that comes after it, and without a mask
    every attention kernel can run.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    nonpadding_tokens: int

    @property
    def padded_tokens(self) -> int:
        """Tokens that the model computes, padding included."""
        return self.input_ids.numel()

    @property
    def supervised_tokens(self) -> int:
        """Tokens that the loss is taken on; the first of a sequence is never predicted."""
        return int((self.labels[:, 1:] != IGNORED).sum())

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(self.input_ids.to(device), self.labels.to(device), self.nonpadding_tokens)


class Encoder:
    """Turns examples into token ids for one tokenizer, task and template; counts what it cut."""

    def __init__(self, tokenizer: Any, task: Task, template: Template, seq_len: int) -> None:
        self.tokenizer = tokenizer
        self.task = task
        self.template = template
        self.seq_len = seq_len
        self.cut: set[str] = set()

    def prompt(self, example: Example, room: int) -> list[int]:
        """The prompt in at most `room` tokens: where it is too long, the input's end is cut."""
        text = example.input
        ids = self.template.prompt(self._request(example, text))
        while len(ids) > room and text:
            self.cut.add(example.id)
            text = self._shorten(text, len(ids) - room)
            ids = self.template.prompt(self._request(example, text))
        return ids[:room]

    def sequence(self, example: Example) -> Tokens:
        """The prompt, and the first reference with the token that ends it, within `seq_len`."""
        target = self.template.target(example.references[0])
        if len(target) > self.seq_len // 2:
            self.cut.add(example.id)
            target = target[: self.seq_len // 2]
        prompt = self.prompt(example, self.seq_len - len(target))
        return Tokens(tuple(prompt + target), len(prompt))

    def _request(self, example: Example, text: str) -> str:
        before, after = self.task.around(example)
        return f"{before}{text}{after}"

    def _shorten(self, text: str, excess: int) -> str:
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = encoded["offset_mapping"]
        keep = len(offsets) - excess
        if keep <= 0:
            return ""
        # Several tokens may share a character: cut before it, or nothing would be cut at all.
        return text[: min(offsets[keep - 1][1], offsets[keep][0], len(text) - 1)]


def collate(sequences: Sequence[Tokens], pad: int) -> Batch:
    """Pad on the right; the prompt and the padding carry no loss."""
    longest = max(len(s.ids) for s in sequences)
    ids = torch.full((len(sequences), longest), pad)
    labels = torch.full((len(sequences), longest), IGNORED)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence.ids)] = torch.tensor(sequence.ids)
        labels[row, sequence.prompt : len(sequence.ids)] = ids[
            row, sequence.prompt : len(sequence.ids)
        ]
    return Batch(ids, labels, sum(len(s.ids) for s in sequences))


def steps(
    sequences: Sequence[Tokens], settings: Settings, seed: int, pad: int
) -> list[list[Batch]]:
    """The micro-batches of every optimiser step: epochs in an order that follows the seed."""
    order = _epochs(len(sequences), seed)
    size = settings.batch_size
    return [
        [
            collate([sequences[next(order)] for _ in range(size)], pad)
            for _ in range(settings.accumulation)
        ]
        for _ in range(settings.steps)
    ]


def random_steps(vocabulary: int, settings: Settings, seed: int) -> list[list[Batch]]:
    """Full sequences of random tokens, all supervised: the work of a step without any text."""
    generator = torch.Generator().manual_seed(seed)
    shape = (settings.batch_size, settings.seq_len)

    def batch() -> Batch:
        ids = torch.randint(vocabulary, shape, generator=generator)
        return Batch(ids, ids, ids.numel())

    return [[batch() for _ in range(settings.accumulation)] for _ in range(settings.steps)]


def _epochs(count: int, seed: int) -> Iterator[int]:
    shuffler = random.Random(seed)
    while True:
        order = list(range(count))
        shuffler.shuffle(order)
        yield from order
