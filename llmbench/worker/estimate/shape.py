"""The commonest operators' outputs on the meta device, worked out faster than torch does.

Torch (2.13) computes them in Python, in a quarter of a millisecond each, and a step of a model with
32 layers has thousands. The rules answer NotImplemented where anything is out of the ordinary, and
torch is asked; `tests/worker/test_shape.py` holds them against torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch


def like(tensor: torch.Tensor) -> Any:
    """An output with the tensor's shape, type and strides."""
    if not tensor.is_meta:
        return NotImplemented
    if tensor.is_contiguous():
        return tensor.new_empty(tensor.shape)
    return (
        tensor.new_empty_strided(tensor.shape, tensor.stride()) if dense(tensor) else NotImplemented
    )


def dense(tensor: torch.Tensor) -> bool:
    """Whether the tensor is all of its storage, in whatever order of dimensions."""
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.itemsize
    return whole and 0 not in tensor.stride()


def elementwise(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """An operation on one tensor of floating point numbers, and perhaps a number."""
    return like(tensor) if tensor.dtype.is_floating_point else NotImplemented


def pointwise(one: torch.Tensor, other: Any, alpha: Any = 1) -> Any:
    """An operation on two tensors of floating point numbers, or on a tensor and a number."""
    if not isinstance(other, torch.Tensor) or (other.dim() == 0 and one.dim() > 0):
        # A number decides no type among floating point ones, in whatever type it comes itself.
        real = not isinstance(other, complex) and not getattr(other, "is_complex", bool)()
        return elementwise(one) if real else NotImplemented
    if one.dtype is not other.dtype or not one.dtype.is_floating_point:
        return NotImplemented
    if one.shape == other.shape:
        return like(one) if one.stride() == other.stride() else NotImplemented
    if _broadcasts(other, one):
        return like(one)
    return like(other) if _broadcasts(one, other) and other.is_contiguous() else NotImplemented


def _broadcasts(small: torch.Tensor, large: torch.Tensor) -> bool:
    """Whether the small shape broadcasts to the large one and leaves its shape unchanged."""
    missing = large.dim() - small.dim()
    return missing >= 0 and all(
        mine in (1, theirs) for mine, theirs in zip(small.shape, large.shape[missing:], strict=True)
    )


def product(one: torch.Tensor, other: torch.Tensor) -> Any:
    """A product of two matrices."""
    fitting = one.is_meta and one.dtype is other.dtype and one.shape[1] == other.shape[0]
    return one.new_empty((one.shape[0], other.shape[1])) if fitting else NotImplemented


def mean(tensor: torch.Tensor, dim: Any, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """A mean over the last dimension, which is kept, as norms take it."""
    if list(dim) != [-1] or not keepdim or dtype or not tensor.is_contiguous():
        return NotImplemented
    if not tensor.is_meta or not tensor.dtype.is_floating_point:
        return NotImplemented
    return tensor.new_empty((*tensor.shape[:-1], 1))


RULES: Mapping[str, Callable[..., Any]] = {
    "aten.add.Tensor": pointwise,
    "aten.sub.Tensor": pointwise,
    "aten.mul.Tensor": pointwise,
    "aten.div.Tensor": pointwise,
    "aten.mul.Scalar": pointwise,
    "aten.div.Scalar": pointwise,
    "aten.pow.Tensor_Scalar": pointwise,
    "aten.mm.default": product,
    "aten.mean.dim": mean,
    "aten.neg.default": elementwise,
    "aten.rsqrt.default": elementwise,
    "aten.silu.default": elementwise,
    "aten.gelu.default": elementwise,
    "aten.tanh.default": elementwise,
}
"""Operator to the rule for its output."""
