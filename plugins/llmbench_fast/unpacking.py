"""Weights in 4 bits, as bitsandbytes holds them, unpacked in one pass over memory: worker code.

bitsandbytes takes three passes where scales are in 8 bits, each with a call from Python for which a
GPU may have to wait: a training step unpacks every weight twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

BLOCK, OUTER_BLOCK = 64, 256
"""Values that share a scale, and scales that do, as bitsandbytes has them by itself."""


def unpacked(parts: Sequence[Tensor], form: str, shape: tuple[int, int], kind: Any) -> Tensor:
    """A weight (out, in), contiguous, in the type `kind`, to the bit as bitsandbytes has it.

    `parts` are its bytes and scales and, where scales are in 8 bits, those of scales, their table
    and what is added. `form` is `nf4` or `fp4`.
    """
    own = kernel() if parts[0].is_cuda else None
    if own is None or shape[0] * shape[1] % own.VALUES:
        return by_bitsandbytes(parts, form, shape, kind)
    made = torch.empty(shape, dtype=kind, device=parts[0].device)
    own.unpack(parts, values_of(form, made.device), made, BLOCK, OUTER_BLOCK)
    return made


def by_bitsandbytes(
    parts: Sequence[Tensor], form: str, shape: tuple[int, int], kind: Any
) -> Tensor:
    """The same by the operators of bitsandbytes."""
    packed, scales, *outer = parts
    operators = torch.ops.bitsandbytes
    if outer:
        of_scales, table, offset = outer
        wide = torch.float32
        scales = operators.dequantize_blockwise(scales, of_scales, table, OUTER_BLOCK, wide)
        scales += offset
    packed = packed.view(-1, 1)
    made: Tensor = operators.dequantize_4bit(packed, scales, BLOCK, form, list(shape), kind)
    return made


@cache
def values_of(form: str, device: Any) -> Tensor:
    """What the 16 numbers of a 4-bit type stand for, in fp32."""
    from bitsandbytes.functional import get_4bit_type

    made: Tensor = get_4bit_type(form, device=device)
    return made


@cache
def kernel() -> Any | None:
    """The module that unpacks a weight on a GPU; None where Triton is missing."""
    try:
        from llmbench_fast import unpacking_kernel
    except ImportError:
        return None
    return unpacking_kernel
