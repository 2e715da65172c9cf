"""A matrix of single bytes turned, as torch does at a tenth of a GPU's bandwidth: worker code."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch


@torch.library.custom_op("llmbench::turned", mutates_args=())
def turned(matrix: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Of (rows, columns), contiguous, with elements of one byte: (columns, rows), contiguous.

    `after` has it wait for that tensor: a compiler could turn a weight in the forward pass already,
    and keep it for the backward pass.
    """
    step = kernel() if matrix.is_cuda else None
    if step is None:
        return matrix.t().contiguous()
    made = torch.empty_like(matrix.t(), memory_format=torch.contiguous_format)
    step(matrix.view(torch.int8), made.view(torch.int8))
    return made


@turned.register_fake
def _(matrix: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    return matrix.new_empty(matrix.shape[1], matrix.shape[0])


@cache
def kernel() -> Any | None:
    """What turns a matrix on a GPU; None where Triton is missing."""
    try:
        from llmbench_fast import turning_kernel
    except ImportError:
        return None
    return turning_kernel.turn
