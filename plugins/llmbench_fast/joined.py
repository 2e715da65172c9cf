"""Products of frozen layers with those of their adapters, joined: worker code.

For layers that read the same input, as those of queries, keys and values do:

    output_i = input @ weight_i.T + scale_i * (input @ down_i.T) @ up_i.T

The inputs meet all `down` matrices in one product. The small product is written first, and the
large one is added up on top of it, in the accumulators of the matrix units: the output is not
written, read and written again. Likewise backward, where one gradient of the input takes all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from llmbench_fast.unpacking import unpacked

WHOLE = "whole"
"""The form of a weight that is there as it is; others are the names of 4-bit types, whose weights
are two tensors or, where their scales are in 8 bits, five: bytes, scales, and those of scales."""


def joined(
    values: Tensor,
    parts: Sequence[Tensor],
    form: str,
    downs: Sequence[Tensor],
    ups: Sequence[Tensor],
    scales: Sequence[float],
) -> Sequence[Tensor]:
    """Of (tokens, in): the outputs (tokens, out) of all layers.

    `parts` are the tensors of all weights in order, `downs` are (rank, in), `ups` (out, rank). One
    whole weight of several layers, one under the other, gives their outputs in one, side by side.
    """
    outputs: Sequence[Tensor]
    if torch.compiler.is_compiling():
        *outputs, _ = operator(values, parts, form, downs, ups, scales)
    else:
        outputs = Eager.apply(values, form, scales, len(parts), *parts, *downs, *ups)  # type: ignore[no-untyped-call]
    return outputs


def products(
    values: Tensor,
    parts: Sequence[Tensor],
    form: str,
    downs: Sequence[Tensor],
    ups: Sequence[Tensor],
    scales: Sequence[float],
) -> list[Tensor]:
    """The outputs of all layers, and last the small products side by side."""
    small = values @ concatenated(downs).t()
    outputs = [values.new_empty(values.shape[0], width) for width in widths(parts, ups)]
    shares = cut(small, downs, 1)
    for place, share, up, scale in zip(places(outputs, ups), shares, ups, scales, strict=True):
        torch.addmm(place, share, up.t(), beta=0, alpha=scale, out=place)
    for number, output in enumerate(outputs):
        output.addmm_(values, weight_of(number, parts, form, outputs, values).t())
    return [*outputs, small]


def gradients(
    grads: Sequence[Tensor],
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
    each = list(zip(places(grads, ups), ups, scales, strict=True))
    smalls = [scaled(grad, up, scale) for grad, up, scale in each]
    of_small = torch.cat(smalls, dim=1) if len(smalls) > 1 else smalls[0]
    shares = cut(small, downs, 1)
    of_ups = [scaled(g.t(), s, scale) for (g, _, scale), s in zip(each, shares, strict=True)]
    made = [of_small.t() @ values, *of_ups]
    if of_values:
        total = of_small @ concatenated(downs)
        for number, grad in enumerate(grads):
            total.addmm_(grad, weight_of(number, parts, form, grads, values))
        made.append(total)
    return made


def concatenated(matrices: Sequence[Tensor]) -> Tensor:
    """The matrices in one, one under the other."""
    return torch.cat(list(matrices)) if len(matrices) > 1 else matrices[0]


def scaled(left: Tensor, right: Tensor, scale: float) -> Tensor:
    """`scale * left @ right`, rounded once."""
    made = left.new_empty(left.shape[0], right.shape[1])
    return torch.addmm(made, left, right, beta=0, alpha=scale, out=made)


def widths(parts: Sequence[Any], ups: Sequence[Any]) -> list[int]:
    """Columns of each output: all of them where one weight stands for several."""
    each = [up.shape[0] for up in ups]
    return each if len(parts) >= len(ups) else [sum(each)]


def places(outputs: Sequence[Tensor], ups: Sequence[Tensor]) -> Sequence[Tensor]:
    """The columns of each layer in the outputs, or in their gradients."""
    if len(outputs) == len(ups):
        return outputs
    return cut(outputs[0], ups, 1)


def cut(whole: Tensor, matrices: Sequence[Tensor], dim: int) -> list[Tensor]:
    """Parts that are as long as the matrices."""
    return list(whole.split_with_sizes([m.shape[0] for m in matrices], dim))


def weight_of(
    number: int, parts: Sequence[Tensor], form: str, outputs: Sequence[Tensor], values: Tensor
) -> Tensor:
    """The weight (out, in) of an output, in the type of the input; to be used at once, and gone."""
    if form == WHOLE:
        return parts[number]
    count = len(parts) // len(outputs)
    shape = outputs[number].shape[1], values.shape[1]
    return unpacked(parts[number * count : (number + 1) * count], form, shape, values.dtype)


operator = torch.library.custom_op("llmbench::joined", products, mutates_args=())
"""For compilers, which do not look into it."""
backward_operator = torch.library.custom_op("llmbench::joined_backward", gradients, mutates_args=())


@operator.register_fake
def _(values: Any, parts: Any, form: Any, downs: Any, ups: Any, scales: Any) -> list[Tensor]:
    outputs = [values.new_empty(values.shape[0], width) for width in widths(parts, ups)]
    return [*outputs, values.new_empty(values.shape[0], sum(d.shape[0] for d in downs))]


@backward_operator.register_fake
def _(
    grads: Any,
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
    ctx.save_for_backward(values, output[-1], *parts, *downs, *ups)


def worked_out(
    ctx: Any, grads: Sequence[Tensor], compute: Callable[..., list[Tensor]]
) -> tuple[Tensor | None, list[None], list[Tensor], list[Tensor]]:
    """The gradients of the input, of weights, which are frozen, and of the adapters."""
    values, small, *rest = ctx.saved_tensors
    frozen, layers = ctx.count
    parts, downs, ups = rest[:frozen], rest[frozen : frozen + layers], rest[frozen + layers :]
    wanted = bool(ctx.needs_input_grad[0])
    whole = [g.contiguous() for g in grads]
    of_downs, *made = compute(whole, values, small, parts, ctx.form, downs, ups, ctx.scales, wanted)
    of_input = made[layers] if wanted else None
    return of_input, [None] * frozen, cut(of_downs, downs, 0), made[:layers]


def backward(ctx: Any, grads: Sequence[Tensor]) -> tuple[Any, ...]:
    """The gradients of what the operator is given, where it is compiled."""
    of_values, of_parts, of_downs, of_ups = worked_out(ctx, grads[:-1], backward_operator)
    return of_values, of_parts, None, of_downs, of_ups, None


operator.register_autograd(backward, setup_context=keep)


class Eager(torch.autograd.Function):
    """The same where nothing is compiled.

    To call an operator with lists of tensors takes torch longer than all calls of its products.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, form: str, scales: Any, frozen: int, *tensors: Any
    ) -> Any:
        """The outputs, of the weights' tensors and then those of adapters."""
        layers = len(scales)
        parts, downs, ups = tensors[:frozen], tensors[frozen:-layers], tensors[-layers:]
        outputs = products(values, parts, form, downs, ups, scales)
        keep(ctx, (values, parts, form, downs, ups, scales), outputs)
        return tuple(outputs[:-1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """The gradients of what `forward` is given."""
        of_values, of_parts, of_downs, of_ups = worked_out(ctx, grads, gradients)
        return of_values, None, None, None, *of_parts, *of_downs, *of_ups


@register_flop_formula(torch.ops.llmbench.joined)
def operations(values: Any, parts: Any, form: Any, downs: Any, ups: Any, *_: Any, **__: Any) -> int:
    """Floating-point operations, by which torch's partitioner judges what to compute again."""
    tokens, width = values
    ranks = sum(d[0] for d in downs)
    return int(2 * tokens * (width * ranks + sum(u[0] * (width + u[1]) for u in ups)))
