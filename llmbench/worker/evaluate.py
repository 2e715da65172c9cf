"""The evaluate phase: loss on the references, greedy predictions, and their rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from llmbench.record import Generation, GenerationBatch
from llmbench.setting import Settings
from llmbench.worker.batch import Tokens, collate
from llmbench.worker.train import forward_loss, synchronize

WARM_UP_TOKENS = 8
"""New tokens generated before the clock starts, so that no one-off cost is counted."""


@dataclass(frozen=True)
class Output:
    """Token ids that a model continued each prompt with, up to and with the end of text."""

    ids: tuple[tuple[int, ...], ...]
    generation: Generation


def reference_loss(
    model: torch.nn.Module, sequences: Sequence[Tokens], size: int, pad: int
) -> float:
    """Mean cross entropy per token of the references, given their prompts."""
    device = next(model.parameters()).device
    total = torch.zeros((), device=device, dtype=torch.float64)
    tokens = 0
    model.eval()
    with torch.no_grad():
        for group in _groups(sorted(sequences, key=lambda s: -len(s.ids)), size):
            batch = collate(group, pad)
            total += forward_loss(model, batch.to(device)).double() * batch.supervised_tokens
            tokens += batch.supervised_tokens
    return float(total.item() / tokens)


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    settings: Settings,
    pad: int,
    ends: Sequence[int] | None,
    on_batch: Callable[[int], None],
) -> Output:
    """Continue each prompt greedily, in batches of like length, padded on the left.

    A prediction goes up to one of the tokens of `ends`; without, each has `max_new_tokens` tokens:
    the work of a generation whose content means nothing.
    """
    device = next(model.parameters()).device
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    options: dict[str, Any] = {
        "do_sample": False,
        "num_beams": 1,
        "use_cache": True,
        "pad_token_id": pad,
    }
    options |= {"eos_token_id": list(ends)} if ends else {}
    least = settings.max_new_tokens if ends is None else None
    found: dict[int, tuple[int, ...]] = {}
    timed: list[GenerationBatch] = []
    model.eval()
    with torch.no_grad():
        for group in _groups(order, settings.eval_batch_size):
            ids, mask = pad_left([prompts[i] for i in group], pad)
            batch = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
            if not found:
                few = min(WARM_UP_TOKENS, settings.max_new_tokens)
                model.generate(**batch, **options, max_new_tokens=few, min_new_tokens=few)
            synchronize(device)
            started = time.perf_counter()
            new = model.generate(
                **batch, **options, max_new_tokens=settings.max_new_tokens, min_new_tokens=least
            )
            synchronize(device)
            seconds = time.perf_counter() - started
            rows = [until_end(row, ends or ()) for row in new[:, ids.shape[1] :].tolist()]
            found |= zip(group, rows, strict=True)
            timed.append(GenerationBatch(seconds=seconds, new_tokens=sum(map(len, rows))))
            on_batch(len(found))
    ordered = tuple(found[i] for i in range(len(prompts)))
    return Output(ordered, Generation(batches=tuple(timed)))


def pad_left(prompts: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, int64 of shape (prompts, longest)."""
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids, mask


def until_end(ids: Sequence[int], ends: Sequence[int]) -> tuple[int, ...]:
    """The ids up to and with the first end-of-text token."""
    for position, token in enumerate(ids):
        if token in ends:
            return tuple(ids[: position + 1])
    return tuple(ids)


def _groups(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
