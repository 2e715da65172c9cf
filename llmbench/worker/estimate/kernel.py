"""Where kernels for GPUs hold other memory than those for meta tensors, and how much.

Each rule names the code that it follows. Versions: torch 2.11 to 2.13, bitsandbytes 0.50.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from llmbench.worker.estimate.outlier import Outliers

MIB = 2**20


def workspace_bytes(capability: tuple[int, int] | None, deterministic: bool) -> int:
    """What cuBLAS is given to work in, once per thread that multiplies matrices.

    32 MiB on Hopper and Blackwell, and where it has to be deterministic (`:4096:8`, in KiB); two
    times 4 MiB and eight times 16 KiB elsewhere. cublasLt shares it
    (aten/src/ATen/cuda/CublasHandlePool.cpp, parseChosenWorkspaceSize). Unknown GPUs are taken
    for recent ones.
    """
    recent = capability is None or capability[0] >= 9
    return 32 * MIB if recent or deterministic else 8 * MIB + MIB // 8


def item(tensor: torch.Tensor) -> Any:
    """A number where code asks for one: none is known, and 1 lets finite and true pass."""
    if not tensor.is_meta:
        return NotImplemented
    return 1.0 if tensor.dtype.is_floating_point else 1


class Int8:
    """LLM.int8()'s operators."""

    def __init__(self) -> None:
        self.outliers = Outliers()
        """The columns that are computed apart; none until the model is known."""

    def vectorwise_quant(self, a: torch.Tensor, threshold: float = 0.0) -> Any:
        """bitsandbytes/backends/cuda/ops.py."""
        statistics = a.new_empty(a.numel() // a.shape[-1], dtype=torch.float32)
        rows = torch.empty_like(a, dtype=torch.int8)
        if not threshold:
            return rows, statistics, None
        found = a.abs() >= threshold
        found.any(dim=0)
        return rows, statistics, a.new_empty(self.outliers.columns(a), dtype=torch.int64)

    def mixed_scaled_mm(
        self,
        a: torch.Tensor,
        ca: torch.Tensor,
        cb: torch.Tensor,
        sca: torch.Tensor,
        scb: torch.Tensor,
        outlier_cols: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """bitsandbytes/backends/default/ops.py."""
        if not outlier_cols.numel():
            return scaled_mm(ca, cb, sca, scb, bias, a.dtype), a.new_empty(0)
        apart = a[:, outlier_cols].contiguous()
        columns = cb[:, outlier_cols].contiguous()
        weight = torch.empty_like(columns, dtype=torch.float32).to(a.dtype).t()
        return scaled_mm(ca, cb, sca, scb, bias, a.dtype).addmm(apart, weight), apart


def scaled_mm(
    a: torch.Tensor,
    b: torch.Tensor,
    row_stats: torch.Tensor,
    col_stats: torch.Tensor,
    bias: torch.Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """The product in int32, then in fp16, then in the type asked for (backends/default/ops.py)."""
    product = a.new_empty((*a.shape[:-1], b.shape[0]), dtype=torch.int32)
    return torch.empty_like(product, dtype=torch.float16).to(dtype or torch.float16)


def nothing(*args: Any, **kwargs: Any) -> None:
    """An update in place."""


def dequantized(
    a: torch.Tensor, b: torch.Tensor, shape: Any, absmax: torch.Tensor, *args: Any, **kwargs: Any
) -> list[torch.Tensor]:
    """The whole weight in the input's type, and its scales (backends/cuda/ops.py,
    _dequant_linear_fallback); kernels for few tokens at a time hold less."""
    held = [a.new_empty(tuple(shape))]
    scales = kwargs.get("absmax_8bit")
    if scales is not None:
        held += [torch.empty_like(scales, dtype=torch.float32) for _ in range(2)]
    return held


def flash_backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, *args: Any, **kwargs: Any
) -> list[torch.Tensor]:
    """The query's gradient in fp32, a sum per row, and with grouped queries the gradients of keys
    and values for every head
    (aten/src/ATen/native/transformers/cuda/flash_attn/flash_api.cpp, mha_bwd)."""
    held = [torch.empty_like(query, dtype=torch.float32)]
    held.append(query.new_empty(query.shape[:-1], dtype=torch.float32))
    if key.shape[1] != query.shape[1]:
        held += [torch.empty_like(query) for _ in range(2)]
    return held


def instead(int8: Int8) -> dict[str, Callable[..., Any]]:
    """What runs in place of an operator, unless it answers NotImplemented."""
    return {
        "aten._local_scalar_dense": item,
        "bitsandbytes.int8_vectorwise_quant": int8.vectorwise_quant,
        "bitsandbytes.int8_scaled_mm": scaled_mm,
        "bitsandbytes.int8_mixed_scaled_mm": int8.mixed_scaled_mm,
        "bitsandbytes.optimizer_update_32bit": nothing,
        "bitsandbytes.optimizer_update_8bit_blockwise": nothing,
    }


WORKSPACE: Mapping[str, Callable[..., Any]] = {
    "bitsandbytes.gemm_4bit": dequantized,
    "aten._scaled_dot_product_flash_attention_backward": flash_backward,
}
"""What an operator holds while it runs, beside its inputs and outputs."""
