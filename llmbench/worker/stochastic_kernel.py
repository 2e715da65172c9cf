"""A step of AdamW with stochastic rounding in one pass over memory, as a Triton kernel.

What `llmbench.worker.stochastic` does in a dozen passes, which for a model of several billion
weights take longer than the rest of a training step. To be imported where Triton and a GPU are.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

BLOCK = 1024


@triton.jit
def _rounded(exact, noise):
    """The fp32 value rounded to bf16, its upper half, after random bits were added below."""
    bits = exact.to(tl.uint32, bitcast=True) + (noise.to(tl.uint32) & 0xFFFF)
    return (bits & 0xFFFF0000).to(tl.float32, bitcast=True).to(tl.bfloat16)


@triton.jit
def _step(
    weights,
    gradients,
    firsts,
    seconds,
    count,
    seed,
    rate,
    shrinking,
    beta1,
    beta2,
    correction1,
    correction2,
    eps,
    size: tl.constexpr,
):
    start = tl.program_id(0) * size
    offsets = start + tl.arange(0, size)
    inside = offsets < count
    weight = tl.load(weights + offsets, mask=inside, other=0.0).to(tl.float32)
    gradient = tl.load(gradients + offsets, mask=inside, other=0.0).to(tl.float32)
    first = tl.load(firsts + offsets, mask=inside, other=0.0).to(tl.float32)
    second = tl.load(seconds + offsets, mask=inside, other=0.0).to(tl.float32)
    first = beta1 * first + (1.0 - beta1) * gradient
    second = beta2 * second + (1.0 - beta2) * gradient * gradient
    update = (first / correction1) / (tl.sqrt(second) / correction2 + eps)
    weight = weight * shrinking - rate * update
    noise1, noise2, noise3, _ = tl.randint4x(seed, offsets)
    tl.store(weights + offsets, _rounded(weight, noise1), mask=inside)
    tl.store(firsts + offsets, _rounded(first, noise2), mask=inside)
    tl.store(seconds + offsets, _rounded(second, noise3), mask=inside)


def step(
    weight: torch.Tensor,
    gradient: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    *,
    number: int,
    seed: int,
    lr: float,
    weight_decay: float,
    betas: tuple[float, float],
    eps: float,
) -> None:
    """Step a bf16 weight and its two bf16 moments in place; `number` counts steps from 1.

    All are contiguous, of fewer than 2^31 elements. `seed` decides the rounding.
    """
    beta1, beta2 = betas
    count = weight.numel()
    _step[(triton.cdiv(count, BLOCK),)](
        weight,
        gradient,
        first,
        second,
        count,
        seed,
        lr,
        1 - lr * weight_decay,
        beta1,
        beta2,
        1 - beta1**number,
        math.sqrt(1 - beta2**number),
        eps,
        size=BLOCK,
    )
