"""From sequences of token ids to batches."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from llmbench.record.settings import Settings
from llmbench.worker import architecture
from llmbench.worker.encoding import Tokens

IGNORED = -100
"""Label of a token that no loss is taken on; torch's cross entropy leaves it out."""


@dataclass(frozen=True)
class Batch:
    """A micro-batch, padded on the right to its longest sequence.

    `input_ids` and `labels` are int64 of shape (sequences, length). No attention mask goes with
    them: under a causal mask no real token sees padding that comes after it, and without a mask
    every attention kernel can run. An encoder sees all of its input, and so it has a mask; the
    labels are then what its decoder writes, with a length of their own.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    nonpadding_tokens: int
    mask: torch.Tensor | None = None
    """1 for a token that an encoder reads, 0 for padding; int64 as `input_ids`."""
    further: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """What else a strategy has the model called with, such as `position_ids`."""
    made_of: tuple[Tokens, ...] = ()
    """The sequences in it; none of them where it is of random tokens."""

    @property
    def longest(self) -> int:
        """Positions that the model must have: of packed sequences, those of the longest."""
        positions = self.further.get("position_ids")
        return self.input_ids.shape[1] if positions is None else int(positions.max()) + 1

    @property
    def padded_tokens(self) -> int:
        """Tokens that the model computes, padding included."""
        return self.input_ids.numel() + (0 if self.mask is None else self.labels.numel())

    @property
    def supervised_tokens(self) -> int:
        """Tokens that the loss is taken on; the first of a causal sequence is never predicted."""
        predicted = self.labels[:, 1:] if self.mask is None else self.labels
        return int((predicted != IGNORED).sum())

    @property
    def inputs(self) -> dict[str, torch.Tensor]:
        """What the model is called with."""
        masked = {} if self.mask is None else {"attention_mask": self.mask}
        return {"input_ids": self.input_ids, "labels": self.labels, **masked, **self.further}

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        mask = None if self.mask is None else self.mask.to(device)
        ids, labels = self.input_ids.to(device), self.labels.to(device)
        further = {name: value.to(device) for name, value in self.further.items()}
        return Batch(ids, labels, self.nonpadding_tokens, mask, further)


def collate(sequences: Sequence[Tokens], pad: int) -> Batch:
    """Pad on the right; the prompt and the padding carry no loss."""
    made_of = tuple(sequences)
    if sequences[0].paired:
        return collate_pairs(made_of, pad)
    longest = max(len(s.ids) for s in sequences)
    ids = torch.full((len(sequences), longest), pad)
    labels = torch.full((len(sequences), longest), IGNORED)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence.ids)] = torch.tensor(sequence.ids)
        labels[row, sequence.prompt : len(sequence.ids)] = ids[
            row, sequence.prompt : len(sequence.ids)
        ]
    return Batch(ids, labels, sum(len(s.ids) for s in sequences), made_of=made_of)


def collate_pairs(sequences: tuple[Tokens, ...], pad: int) -> Batch:
    """Prompts for the encoder, padded on the right, and what the decoder is to write."""
    prompts = [s.ids[: s.prompt] for s in sequences]
    ids = _padded(prompts, pad)
    labels = _padded([s.ids[s.prompt :] for s in sequences], IGNORED)
    mask = _padded([(1,) * len(p) for p in prompts], 0)
    return Batch(ids, labels, sum(len(s.ids) for s in sequences), mask, made_of=sequences)


def examples(batch: Batch) -> Iterator[Tokens]:
    """The sequences that a padded batch was made of: each ends with what is trained on."""
    if batch.made_of:
        yield from batch.made_of
        return
    for row, labels in enumerate(batch.labels):
        trained = (labels != IGNORED).nonzero().flatten().tolist()
        if batch.mask is None:
            ids = batch.input_ids[row, : trained[-1] + 1].tolist()
            yield Tokens(tuple(ids), trained[0])
        else:
            prompt = batch.input_ids[row, : int(batch.mask[row].sum())].tolist()
            written = labels[: len(trained)].tolist()
            yield Tokens((*prompt, *written), len(prompt), paired=True)


def _padded(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])


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


def random_steps(model: Any, settings: Settings, seed: int) -> list[list[Batch]]:
    """Full sequences of random tokens, all supervised: the work of a step without any text.

    Where an encoder reads, the decoder writes the tokens that an answer may have, and both
    together have the length of a sequence.
    """
    vocabulary, paired = architecture.vocabulary(model), architecture.paired(model.config)
    generator = torch.Generator().manual_seed(seed)
    size, length = settings.batch_size, settings.seq_len
    written = min(settings.max_new_tokens, length // 2) if paired else 0

    def batch() -> Batch:
        ids = torch.randint(vocabulary, (size, length - written), generator=generator)
        if not paired:
            return Batch(ids, ids, ids.numel())
        labels = torch.randint(vocabulary, (size, written), generator=generator)
        return Batch(ids, labels, size * length, torch.ones_like(ids))

    return [[batch() for _ in range(settings.accumulation)] for _ in range(settings.steps)]


def _epochs(count: int, seed: int) -> Iterator[int]:
    shuffler = random.Random(seed)
    while True:
        order = list(range(count))
        shuffler.shuffle(order)
        yield from order
