"""Matrices of single bytes transposed: worker code.

Torch does it at a tenth of a GPU's bandwidth.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch


@torch.library.custom_op("llmbench::transposed", mutates_args=())
def transposed(matrix: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Of (rows, columns), contiguous, with elements of one byte: (columns, rows), contiguous.

    `after` has it wait for that tensor: a compiler could transpose a weight in the forward pass
    already, and keep it for the backward pass.
    """
    transpose = kernel() if matrix.is_cuda else None
    if transpose is None:
        return matrix.t().contiguous()
    made = torch.empty_like(matrix.t(), memory_format=torch.contiguous_format)
    transpose(matrix.view(torch.int8), made.view(torch.int8))
    return made


@transposed.register_fake
def _(matrix: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    return matrix.new_empty(matrix.shape[1], matrix.shape[0])


@cache
def kernel() -> Any | None:
    """What transposes a matrix on a GPU; None where Triton is missing."""
    try:
        from llmbench_fast import transposing_kernel
    except ImportError:
        return None
    return transposing_kernel.transpose
