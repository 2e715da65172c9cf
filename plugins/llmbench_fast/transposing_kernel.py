"""A matrix transposed tile by tile, as a Triton kernel.

To be imported where Triton and a GPU are.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

SIDE = 128
"""Bytes of a tile's side: a row of it is what a GPU's memory moves at once."""


@triton.jit
def _transpose(source, target, rows, columns, side: tl.constexpr):
    down = tl.program_id(0) * side + tl.arange(0, side)
    across = tl.program_id(1) * side + tl.arange(0, side)
    inside = (down[:, None] < rows) & (across[None, :] < columns)
    tile = tl.load(source + down[:, None] * columns + across[None, :], mask=inside, other=0)
    inside = (across[:, None] < columns) & (down[None, :] < rows)
    tl.store(target + across[:, None] * rows + down[None, :], tl.trans(tile), mask=inside)


def transpose(source: torch.Tensor, target: torch.Tensor) -> None:
    """Write (rows, columns) to (columns, rows); contiguous, one byte an element, below 2 GiB."""
    rows, columns = source.shape
    grid = triton.cdiv(rows, SIDE), triton.cdiv(columns, SIDE)
    _transpose[grid](source, target, rows, columns, side=SIDE, num_warps=8)
