"""The functions that take another way on a GPU than on the meta device: attention and dropout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

from llmbench.worker.estimate.patch import replaced

HALF = (torch.float16, torch.bfloat16)
LONGEST_HEAD = 256
"""The longest head that flash kernels take."""
FORMULA: Any = functional.scaled_dot_product_attention
"""Torch's own attention, which on the meta device computes the formula step by step."""


@contextmanager
def as_on_gpu(capability: tuple[int, int] | None) -> Iterator[None]:
    """Attention and dropout run as they would on a GPU of that compute capability.

    The functions are replaced where models look them up: a TorchFunctionMode would be off while
    the backward pass computes checkpointed layers again.
    """
    with (
        replaced(functional, "scaled_dot_product_attention", attention_on(capability)),
        replaced(functional, "dropout", dropout),
    ):
        yield


def attention_on(capability: tuple[int, int] | None) -> Callable[..., torch.Tensor]:
    """The kernel that torch picks there, which keeps its output and no matrix of scores.

    A flash kernel in half precision without a mask, cuDNN's being of the same kind; else the
    memory-efficient one, which knows no grouped queries; else the formula itself
    (aten/src/ATen/native/transformers/cuda/sdp_utils.cpp).
    """
    recent = capability is None or capability >= (8, 0)

    def attention(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Any:
        half = query.dtype in HALF and recent
        if half and attn_mask is None and query.shape[-1] <= LONGEST_HEAD:
            return torch.ops.aten._scaled_dot_product_flash_attention(
                query, key, value, dropout_p, is_causal, False, scale=scale
            )[0]
        grouped = key.shape[1] != query.shape[1]
        if grouped or (query.dtype == torch.bfloat16 and not recent):
            return FORMULA(
                query,
                key,
                value,
                attn_mask,
                dropout_p,
                is_causal,
                scale=scale,
                enable_gqa=enable_gqa,
            )
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype)
        return torch.ops.aten._scaled_dot_product_efficient_attention(
            query, key, value, attn_mask, torch.is_grad_enabled(), dropout_p, is_causal, scale=scale
        )[0]

    return attention


def dropout(
    input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> torch.Tensor:
    """The fused kernel, which keeps a mask of a byte an element."""
    if not training or p == 0:
        return input
    return torch.native_dropout(input, p, True)[0]
