"""Outputs worked out by rule, against torch's own on the meta device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmbench.worker.estimate.shape import RULES

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.int64)
BINARY = ("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor")
UNARY = ("neg", "rsqrt", "silu", "gelu", "tanh")


def torch_op(name: str) -> Any:
    """The operator by the name that the rules have it under."""
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


def same(found: Any, wanted: torch.Tensor) -> None:
    """A rule says nothing, or what torch says; the stride of a dimension of 1 means nothing."""
    if found is not NotImplemented:
        assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
        long = [i for i, size in enumerate(wanted.shape) if size > 1]
        assert [found.stride(i) for i in long] == [wanted.stride(i) for i in long]


@st.composite
def tensors(draw: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Two that go together: permuted, expanded or sliced, one perhaps smaller than the other."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    order = draw(st.permutations(range(len(sizes))))
    one = torch.empty(sizes, dtype=draw(st.sampled_from(DTYPES)), device="meta").permute(order)
    shape = [1 if draw(st.booleans()) else n for n in one.shape][draw(st.integers(0, 3)) :]
    other = torch.empty(shape, dtype=draw(st.sampled_from(DTYPES)), device="meta")
    if draw(st.booleans()):
        other = other.expand(one.shape[len(one.shape) - other.dim() :])
    if draw(st.booleans()):
        one = one[..., : draw(st.integers(1, one.shape[-1]))]
        other = other[..., : one.shape[-1]] if other.dim() else other
    return (one, other) if draw(st.booleans()) else (other, one)


@settings(max_examples=400, deadline=None)
@given(pair=tensors(), name=st.sampled_from(BINARY))
def test_two_tensors(pair: tuple[torch.Tensor, torch.Tensor], name: str) -> None:
    one, other = pair
    same(RULES[f"aten.{name}"](one, other), torch_op(name)(one, other))


@settings(max_examples=100, deadline=None)
@given(pair=tensors(), name=st.sampled_from(UNARY))
def test_one_tensor(pair: tuple[torch.Tensor, torch.Tensor], name: str) -> None:
    one = pair[0]
    if one.dtype.is_floating_point:
        same(RULES[f"aten.{name}.default"](one), torch_op(name)(one))


@pytest.mark.parametrize("number", [2, 2.5, True, 1j])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_and_a_number(number: Any, dtype: torch.dtype) -> None:
    tensor = torch.empty(3, 4, dtype=dtype, device="meta").t()
    for name in ("mul.Scalar", "div.Scalar", "pow.Tensor_Scalar"):
        same(RULES[f"aten.{name}"](tensor, number), torch_op(name)(tensor, number))
    wrapped = torch.tensor(number)
    same(RULES["aten.mul.Tensor"](tensor, wrapped), torch.mul(tensor, number))


@settings(max_examples=100, deadline=None)
@given(pair=tensors(), keepdim=st.booleans(), dim=st.sampled_from([-1, 0]))
def test_a_mean(pair: tuple[torch.Tensor, torch.Tensor], keepdim: bool, dim: int) -> None:
    one = pair[0]
    if one.dtype.is_floating_point and one.dim():
        wanted = torch_op("mean.dim")(one, [dim], keepdim)
        same(RULES["aten.mean.dim"](one, [dim], keepdim), wanted)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_product(transposed: bool) -> None:
    one, other = (torch.empty(s, device="meta", dtype=torch.bfloat16) for s in ((3, 4), (4, 5)))
    if transposed:
        one, other = (torch.empty(s, device="meta").t() for s in ((4, 3), (5, 4)))
    found = RULES["aten.mm.default"](one, other)
    assert found is not NotImplemented
    same(found, torch.mm(one, other))
    assert RULES["aten.mm.default"](one, one) is NotImplemented
    assert RULES["aten.mm.default"](one, other.double()) is NotImplemented


def test_what_training_is_made_of_is_known() -> None:
    states = torch.empty(2, 8, 16, dtype=torch.bfloat16, device="meta")
    weight = torch.empty(16, dtype=torch.bfloat16, device="meta")
    heads = states.view(2, 8, 4, 4).transpose(1, 2)
    for one, other in ((states, states), (weight, states), (states, weight), (heads, heads)):
        assert RULES["aten.mul.Tensor"](one, other) is not NotImplemented


def test_tensors_elsewhere_are_left_alone() -> None:
    assert RULES["aten.add.Tensor"](torch.ones(3), torch.ones(3)) is NotImplemented
