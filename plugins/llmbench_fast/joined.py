"""Products of frozen layers with those of their adapters, joined: worker code.

For layers that read the same input, as those of queries, keys and values do:

    output_i = input @ weight_i.T + scale_i * (input @ down_i.T) @ up_i.T

The inputs meet all `down` matrices in one product. The small product is written first, and the
large one is added up on top of it, in the accumulators of the matrix units: the output is not
written, read and written again. Likewise backward, where one gradient of the input takes all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

WHOLE = "whole"
"""The form of a weight that is there as it is; others are the names of 4-bit types."""
NESTED = 5
"""Tensors of a 4-bit weight whose scales are in 8 bits: their scales, table and offset follow."""
BLOCK, OUTER_BLOCK = 64, 256
"""Values that share a scale, and scales that do, as bitsandbytes has them by itself."""


@torch.library.custom_op("llmbench::joined", mutates_args=())
def joined(
    values: Tensor,
    parts: Sequence[Tensor],
    form: str,
    downs: Sequence[Tensor],
    ups: Sequence[Tensor],
    scales: Sequence[float],
) -> tuple[Tensor, Tensor]:
    """Of (tokens, in): the outputs of all layers side by side, and the small products.

    `parts` are the tensors of all weights in order, or a whole one of all, one upon the other;
    `downs` are (rank, in), `ups` (out, rank).
    """
    small = values @ torch.cat(list(downs)).t()
    output = values.new_empty(len(values), sum(map(len, ups)))
    places = output.split([len(up) for up in ups], dim=1)
    shares = small.split([len(d) for d in downs], dim=1)
    for place, share, up, scale in zip(places, shares, ups, scales, strict=True):
        torch.addmm(place, share, up.t(), beta=0, alpha=scale, out=place)
    for part, weight in weights(parts, form, ups, output, values):
        part.addmm_(values, weight.t())
    return output, small


@torch.library.custom_op("llmbench::joined_backward", mutates_args=())
def joined_backward(
    grad: Tensor,
    values: Tensor,
    small: Tensor,
    parts: Sequence[Tensor],
    form: str,
    downs: Sequence[Tensor],
    ups: Sequence[Tensor],
    scales: Sequence[float],
    of_values: bool,
) -> list[Tensor]:
    """Gradients of all `down` matrices in one, of each `up` matrix and, if wanted, of the input."""
    ranks = [len(d) for d in downs]
    grads = grad.split([len(up) for up in ups], dim=1)
    of_small = torch.cat(
        [scaled(g, up, scale) for g, up, scale in zip(grads, ups, scales, strict=True)], dim=1
    )
    shares = small.split(ranks, dim=1)
    of_ups = [scaled(g.t(), s, scale) for g, s, scale in zip(grads, shares, scales, strict=True)]
    made = [of_small.t() @ values, *of_ups]
    if of_values:
        total = of_small @ torch.cat(list(downs))
        for part, weight in weights(parts, form, ups, grad, values):
            total.addmm_(part, weight)
        made.append(total)
    return made


def scaled(left: Tensor, right: Tensor, scale: float) -> Tensor:
    """`scale * left @ right`, rounded once."""
    made = left.new_empty(left.shape[0], right.shape[1])
    return torch.addmm(made, left, right, beta=0, alpha=scale, out=made)


def weights(
    parts: Sequence[Tensor], form: str, ups: Sequence[Tensor], beside: Tensor, values: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Each weight (out, in) with the columns of outputs or their gradients that are its own."""
    if len(parts) == 1 and form == WHOLE:
        yield beside, parts[0]
        return
    count = len(parts) // len(ups)
    columns = beside.split([len(up) for up in ups], dim=1)
    for number, (column, up) in enumerate(zip(columns, ups, strict=True)):
        own = parts[number * count : (number + 1) * count]
        yield column, unpacked(own, form, up, values)


def unpacked(parts: Sequence[Tensor], form: str, up: Tensor, values: Tensor) -> Tensor:
    """A weight (out, in) in the type of the input; it is gone when its product is made."""
    if form == WHOLE:
        return parts[0]
    operators = torch.ops.bitsandbytes
    packed, scales = parts[0].view(-1, 1), parts[1]
    if len(parts) == NESTED:
        of_scales, table, offset = parts[2:]
        scales = operators.dequantize_blockwise(
            scales, of_scales, table, OUTER_BLOCK, torch.float32
        )
        scales += offset
    shape = [up.shape[0], values.shape[1]]
    made: Tensor = operators.dequantize_4bit(packed, scales, BLOCK, form, shape, values.dtype)
    return made


@joined.register_fake
def _(
    values: Any, parts: Any, form: Any, downs: Any, ups: Any, scales: Any
) -> tuple[Tensor, Tensor]:
    tokens = values.shape[0]
    output = values.new_empty(tokens, sum(up.shape[0] for up in ups))
    return output, values.new_empty(tokens, sum(d.shape[0] for d in downs))


@joined_backward.register_fake
def _(
    grad: Any,
    values: Any,
    small: Any,
    parts: Any,
    form: Any,
    downs: Any,
    ups: Any,
    scales: Any,
    of_values: Any,
) -> list[Tensor]:
    of_downs = values.new_empty(sum(d.shape[0] for d in downs), values.shape[1])
    made = [of_downs, *(torch.empty_like(up) for up in ups)]
    return [*made, torch.empty_like(values)] if of_values else made


def keep(ctx: Any, inputs: Any, output: Any) -> None:
    """What the backward pass needs: beside the weights, the input and the small products."""
    values, parts, form, downs, ups, scales = inputs
    ctx.form, ctx.scales, ctx.count = form, scales, (len(parts), len(downs))
    ctx.save_for_backward(values, output[1], *parts, *downs, *ups)


def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Any, ...]:
    """The gradients of the input and the adapters; weights are frozen."""
    values, small, *rest = ctx.saved_tensors
    frozen, layers = ctx.count
    parts, downs, ups = rest[:frozen], rest[frozen : frozen + layers], rest[frozen + layers :]
    wanted = bool(ctx.needs_input_grad[0])
    of_downs, *made = joined_backward(
        grad.contiguous(), values, small, parts, ctx.form, downs, ups, ctx.scales, wanted
    )
    of_each = list(of_downs.split([len(d) for d in downs]))
    return made[layers] if wanted else None, [None] * frozen, None, of_each, made[:layers], None


joined.register_autograd(backward, setup_context=keep)


@register_flop_formula(torch.ops.llmbench.joined)
def operations(values: Any, parts: Any, form: Any, downs: Any, ups: Any, *_: Any, **__: Any) -> int:
    """Floating-point operations, by which torch's partitioner judges what to compute again."""
    tokens, width = values
    ranks = sum(d[0] for d in downs)
    return int(2 * tokens * (width * ranks + sum(u[0] * (width + u[1]) for u in ups)))
