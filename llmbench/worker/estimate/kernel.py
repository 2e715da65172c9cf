"""Where kernels for GPUs hold other memory than those for meta tensors, and how much.

Each rule names the code that it follows. Versions: torch 2.11 to 2.13, bitsandbytes 0.50.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch.nn import functional

from llmbench.worker.estimate.patch import replaced

SPREAD = 8.0
POINTS = 2000
"""The integral over a normal distribution goes this many deviations out, in so many points."""


@dataclass(frozen=True)
class Outliers:
    """What share of values is over the threshold, by the width of the inputs; others have none."""

    chances: Mapping[int, float] = field(default_factory=dict)

    def columns(self, inputs: torch.Tensor) -> int:
        """The columns of (rows, width) inputs in which a value is expected to be over it."""
        width = inputs.shape[-1]
        rows = inputs.numel() // width
        return round(width * (1 - (1 - self.chances.get(width, 0.0)) ** rows))


def of_random(model: Any) -> Outliers:
    """What to expect of a base model with random weights, as far as it is loaded in LLM.int8."""
    config = model.config.get_text_config()
    deviation = getattr(config, "initializer_range", 0.02)
    chances = {}
    for module in model.modules():
        down: Any = getattr(module, "down_proj", None)
        gate: Any = getattr(module, "gate_proj", None)
        if gate is not None and hasattr(down, "state"):
            spread = deviation * math.sqrt(gate.in_features)
            chances[down.in_features] = chance(spread, down.state.threshold)
    return Outliers(chances)


@cache
def chance(deviation: float, threshold: float) -> float:
    """The chance that |silu(g) u| is over the threshold, g and u normal with that deviation.

    Both are products of a row of weights with an input of unit mean square. The chance for u is
    integrated over g.
    """
    step = 2 * SPREAD / POINTS
    total = 0.0
    for point in range(POINTS):
        z = -SPREAD + (point + 0.5) * step
        gate = abs(deviation * z / (1 + math.exp(-deviation * z)))
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        total += step * density * math.erfc(threshold / (gate * deviation * math.sqrt(2)))
    return total


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
        outliers = a.abs() >= threshold
        outliers.any(dim=0)
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
    temporaries = [a.new_empty(tuple(shape))]
    scales = kwargs.get("absmax_8bit")
    if scales is not None:
        temporaries += [torch.empty_like(scales, dtype=torch.float32) for _ in range(2)]
    return temporaries


def flash_backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, *args: Any, **kwargs: Any
) -> list[torch.Tensor]:
    """The query's gradient in fp32, a sum per row, and with grouped queries the gradients of keys
    and values for every head
    (aten/src/ATen/native/transformers/cuda/flash_attn/flash_api.cpp, mha_bwd)."""
    temporaries = [torch.empty_like(query, dtype=torch.float32)]
    temporaries.append(query.new_empty(query.shape[:-1], dtype=torch.float32))
    if key.shape[1] != query.shape[1]:
        temporaries += [torch.empty_like(query) for _ in range(2)]
    return temporaries


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
        half = half and value.shape[-1] == query.shape[-1]
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
