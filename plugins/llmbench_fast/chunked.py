"""An output layer and its cross entropy in chunks of tokens: worker code.

As in Liger Kernel (Hsu et al., 2024): the gradient of the hidden states is worked out on the way
forward, so that no more than a chunk's logits are ever there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.autograd.function import once_differentiable

IGNORED = -100
"""The label of a token that is not predicted."""
OfChunk = Callable[..., tuple[torch.Tensor, torch.Tensor]]
"""What computes a chunk's loss and slope, as `loss_and_slope` does."""


def loss_and_slope(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A chunk's summed loss and its gradient by the logits, in the type of the hidden states.

    The gradient is written over the logits, of which there are no others.
    """
    logits, log_sum, right, counts = scored(hidden, weight, bias, labels)
    loss = ((log_sum - logits.gather(1, right)) * counts).sum()
    slope = logits.sub_(log_sum).exp_()
    slope.scatter_add_(1, right, torch.full_like(log_sum, -1.0))
    return loss, slope.mul_(counts).to(hidden.dtype)


def fusable_loss_and_slope(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same without writing into what was computed, which a compiler fuses."""
    logits, log_sum, right, counts = scored(hidden, weight, bias, labels)
    loss = ((log_sum - logits.gather(1, right)) * counts).sum()
    is_right = torch.arange(logits.shape[1], device=logits.device) == right
    return loss, ((logits - log_sum).exp() - is_right.float()).mul(counts).to(hidden.dtype)


def scored(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (tokens, vocabulary) in fp32 and, as columns, the logarithm of the sum of their
    exponentials, the right token, and whether it counts."""
    logits = torch.nn.functional.linear(hidden, weight, bias).float()
    counts = (labels != IGNORED).unsqueeze(1)
    right = labels.clamp(min=0).unsqueeze(1)
    return logits, logits.logsumexp(1, keepdim=True), right, counts


@cache
def compiled() -> OfChunk:
    """The loss and slope of a chunk in few kernels, for none of which the host waits."""
    made: OfChunk = torch.compile(fusable_loss_and_slope)
    return made


def linear_cross_entropy(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    of_chunk: OfChunk = loss_and_slope,
) -> torch.Tensor:
    """Mean cross entropy in nats, fp32, of hidden states (tokens, width) under an output layer.

    `weight` is (vocabulary, width), `bias` (vocabulary), `labels` int64 (tokens); tokens with label
    -100 do not count. Logits are rounded to the type of the hidden states, as the whole would be.
    """
    loss: torch.Tensor = Chunked.apply(hidden, weight, bias, labels, of_chunk)  # type: ignore[no-untyped-call]
    return loss


def chunk_size(tokens: int, width: int, vocabulary: int) -> int:
    """Tokens of a chunk whose logits take about what all hidden states do; a power of two."""
    share = math.ceil(vocabulary / width)
    return 1 << (math.ceil(tokens / share) - 1).bit_length()


class Chunked(torch.autograd.Function):
    """Loss and gradients, chunk after chunk. Gradients are of the sum until they are handed on."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        of_chunk: OfChunk,
    ) -> torch.Tensor:
        """The mean."""
        wanted = [t is not None and t.requires_grad for t in (hidden, weight, bias)]
        total = torch.zeros((), device=hidden.device)
        # Weights add up over chunks, and so in fp32.
        grads = [
            torch.empty_like(hidden) if wanted[0] else None,
            torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None,
            torch.zeros_like(weight[:, 0], dtype=torch.float32) if wanted[2] else None,
        ]
        size = chunk_size(len(hidden), hidden.shape[1], len(weight))
        for first in range(0, len(hidden), size):
            rows = slice(first, first + size)
            loss, slope = of_chunk(hidden[rows], weight, bias, labels[rows])
            total += loss
            add(grads, rows, hidden[rows], weight, slope)
        ctx.grads = [g if g is None else g.to(hidden.dtype) for g in grads]
        ctx.count = (labels != IGNORED).sum()
        mean: torch.Tensor = total / ctx.count
        return mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """What was worked out, times the gradient of the mean."""
        scale = grads[0] / ctx.count
        made = [g if g is None else g.mul_(scale) for g in ctx.grads]
        ctx.grads = []
        return *made, None, None


def add(
    grads: list[torch.Tensor | None],
    rows: slice,
    hidden: torch.Tensor,
    weight: torch.Tensor,
    slope: torch.Tensor,
) -> None:
    """Put a chunk's part into the gradients that are wanted."""
    of_hidden, of_weight, of_bias = grads
    if of_hidden is not None:
        of_hidden[rows] = slope @ weight
    if of_weight is not None:
        of_weight += slope.t() @ hidden
    if of_bias is not None:
        of_bias += slope.sum(0)
