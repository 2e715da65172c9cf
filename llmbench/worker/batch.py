"""From sequences of token ids to batches."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from llmbench.record.settings import Settings
from llmbench.worker.encoding import Tokens

IGNORED = -100
"""Label of a token that no loss is taken on; torch's cross entropy leaves it out."""


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
