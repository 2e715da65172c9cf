"""Weights in 4 bits unpacked in one pass, as a Triton kernel.

To be imported where Triton and a GPU are. A thread reads a word of 32 bits and writes its eight
values at once, so that neither has to go to other threads. What a number of 4 bits stands for is
looked up in memory, in a table that the nearest cache holds in one line: one instruction a value,
where a tree of choices takes 15.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

VALUES = 8
"""In a word."""
WORDS, WARPS = 512, 8
"""Of a program: two words a thread."""


@triton.jit
def _unpack(
    packed,
    scales,
    of_scales,
    scale_table,
    offset,
    table,
    target,
    count,
    block: tl.constexpr,
    outer_block: tl.constexpr,
    size: tl.constexpr,
    each: tl.constexpr,
):
    first = tl.program_id(0).to(tl.int64) * size  # there may be more than 2^31 values
    word = first + tl.max_contiguous(tl.arange(0, size), 1)  # else threads take neighbours
    inside = word < count
    number = word // (block // each)
    scale = tl.load(scales + number, mask=inside, other=0)
    if scale_table is not None:
        own = tl.load(of_scales + number // outer_block, mask=inside, other=0.0)
        scale = tl.load(scale_table + scale) * own + tl.load(offset)
    words = packed.to(tl.pointer_type(tl.int32), bitcast=True)
    bits = tl.load(words + word, mask=inside, other=0)
    nth = tl.arange(0, each)
    number = (bits[:, None] >> 4 * (nth ^ 1)[None, :]) & 15  # the upper half of a byte is first
    value = tl.load(table + number) * scale[:, None]
    place = target + word[:, None] * each + nth[None, :]
    tl.store(place, value.to(target.dtype.element_ty), mask=inside[:, None])


def unpack(
    parts: Sequence[torch.Tensor],
    table: torch.Tensor,
    target: torch.Tensor,
    block: int,
    outer_block: int,
) -> None:
    """Write the values of a weight, a multiple of 8, to the contiguous target, in its type.

    `parts` are its bytes, with the first of two values in the upper half, and a scale for every
    `block` values. Where scales are in 8 bits, a scale for every `outer_block` of them, their table
    and what is added follow. `table` has the 16 values of the 4-bit type. Tables and all other
    scales are in fp32. Products and sums are rounded one by one, as by bitsandbytes.
    """
    packed, scales, *nested = parts
    of_scales, scale_table, offset = nested or (None, None, None)
    count = target.numel() // VALUES
    _unpack[(triton.cdiv(count, WORDS),)](
        packed,
        scales,
        of_scales,
        scale_table,
        offset,
        table,
        target,
        count,
        block=block,
        outer_block=outer_block,
        size=WORDS,
        each=VALUES,
        num_warps=WARPS,
        enable_fp_fusion=False,
    )
