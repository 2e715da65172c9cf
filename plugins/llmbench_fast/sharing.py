"""Which of LoRA's layers read the same input, and their joined forward pass: worker code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from llmbench_fast.joined import WHOLE, joined
from llmbench_fast.unpacking import BLOCK, OUTER_BLOCK

PROBE = 8
"""Tokens of the text by which is seen who reads what."""


def adapted(model: nn.Module) -> list[Any]:
    """The layers of peft's LoRA whose arithmetic is plain: one adapter, no dropout, no bias."""
    from peft.tuners.lora.layer import LoraLayer

    return [m for m in model.modules() if isinstance(m, LoraLayer) and plain(m)]


def plain(layer: Any) -> bool:
    """Whether its output is that of its base plus a scaled product of two matrices."""
    names = layer.active_adapters
    if len(names) != 1 or names[0] not in layer.lora_A:
        return False
    name = names[0]
    return (
        isinstance(layer.lora_A[name], nn.Linear)
        and isinstance(layer.base_layer, nn.Linear)
        and isinstance(layer.lora_dropout[name], nn.Identity)
        and name not in layer.lora_variant
        and not getattr(layer, "fan_in_fan_out", False)
        and layer.lora_B[name].bias is None
    )


@torch.no_grad()
def groups(model: Any, layers: Sequence[Any]) -> list[list[Any]]:
    """The layers in groups that are given the same tensor, in the order in which they run.

    Seen on a short text; layers whose weights are held in different forms are not put together. A
    layer that the text does not reach, as an expert may be, is alone.
    """
    seen: dict[tuple[int, str], list[Any]] = {}
    inputs: list[Any] = []  # held, so that no address comes twice

    def look(layer: Any, given: tuple[Any, ...]) -> None:
        inputs.append(given[0])
        seen.setdefault((id(given[0]), form_of(layer.base_layer)), []).append(layer)

    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    training = model.training
    try:
        ids = torch.arange(PROBE, device=next(model.parameters()).device)[None]
        model.eval()(input_ids=ids, labels=ids, use_cache=False)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    found = list(seen.values())
    reached = {id(layer) for group in found for layer in group}
    return [*found, *([layer] for layer in layers if id(layer) not in reached)]


def form_of(base: nn.Module) -> str:
    """How a layer holds its weight: whole, in a 4-bit type, or in a way of its own."""
    if type(base) is nn.Linear:
        return WHOLE
    state = getattr(getattr(base, "weight", None), "quant_state", None)
    if state is None:
        return type(base).__name__
    return f"{state.quant_type}{' nested' * bool(state.nested)}"


def join(layers: Sequence[Any], stack: bool) -> None:
    """Have the layers of a group compute together in training, by the first that is called.

    `stack` has whole weights made one, as those in fp8 are in any case.
    """
    group = Group(layers, stack)
    for place, layer in enumerate(layers):
        layer.forward = group.forward_of(place, layer.forward)


class Group:
    """Layers with one input. Their outputs wait here until each is asked for its own."""

    def __init__(self, layers: Sequence[Any], stack: bool) -> None:
        self.layers = list(layers)
        self.bases = [layer.base_layer for layer in layers]
        self.widths = [base.out_features for base in self.bases]
        self.form, self.parts = parts_of(self.bases, stack)
        self.fp8 = fp8_in_one(self.bases)
        self.input: Tensor | None = None
        self.outputs: list[Tensor | None] = []

    def forward_of(self, place: int, own: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The forward pass of the layer in that place; `own` is peft's."""
        layer = self.layers[place]

        def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if not layer.training or layer.disable_adapters or layer.merged:
                return own(x, *args, **kwargs)
            return self.take(place, x)

        return forward

    def take(self, place: int, values: Tensor) -> Tensor:
        """The output of the layer in that place; those of all are made when the first is asked."""
        if self.input is not values or self.outputs[place] is None:
            self.input, self.outputs = values, list(self.compute(values))
        output, self.outputs[place] = self.outputs[place], None
        if all(o is None for o in self.outputs):
            self.input, self.outputs = None, []
        assert output is not None
        return output

    def compute(self, values: Tensor) -> list[Tensor]:
        """The outputs of all layers, of (..., in)."""
        pairs = [(layer, layer.active_adapters[0]) for layer in self.layers]
        downs = [layer.lora_A[name].weight for layer, name in pairs]
        ups = [layer.lora_B[name].weight for layer, name in pairs]
        scales = [float(layer.scaling[name]) for layer, name in pairs]
        rows = values.reshape(-1, values.shape[-1])
        make = self.beside if self.form is None else self.within
        return [o.view(*values.shape[:-1], -1) for o in make(rows, downs, ups, scales)]

    def within(
        self, rows: Tensor, downs: list[Tensor], ups: list[Tensor], scales: list[float]
    ) -> list[Tensor]:
        """Outputs whose sums run on in the accumulators of the layers' own products."""
        assert self.form
        outputs = joined(rows, self.parts, self.form, downs, ups, scales)
        if len(outputs) < len(self.bases):
            outputs = outputs[0].split(self.widths, dim=1)
        biases = [base.bias for base in self.bases]
        return [o if b is None else o + b for o, b in zip(outputs, biases, strict=True)]

    def beside(
        self, rows: Tensor, downs: list[Tensor], ups: list[Tensor], scales: list[float]
    ) -> list[Tensor]:
        """Outputs of layers that make their products themselves, the adapters' added to them."""
        small = nn.functional.linear(rows, torch.cat(downs))
        shares = small.split([len(d) for d in downs], dim=1)
        if self.fp8 is None:
            own = [base(rows) for base in self.bases]
        else:
            own = list(self.fp8(rows).split(self.widths, dim=1))
        return [
            output + scale * nn.functional.linear(share, up)
            for output, share, up, scale in zip(own, shares, ups, scales, strict=True)
        ]


def parts_of(bases: Sequence[Any], stack: bool) -> tuple[str | None, list[Tensor]]:
    """The form of the layers' weights, and their tensors, as `llmbench_fast.joined` takes them.

    No form for layers that make their products in a way of their own.
    """
    if form_of(bases[0]) == WHOLE:
        weights = [base.weight for base in bases]
        return WHOLE, [stacked(weights)] if stack else weights
    states: list[Any] = [getattr(base.weight, "quant_state", None) for base in bases]
    if not all(state is not None and usual(state) for state in states):
        return None, []
    parts: list[Tensor] = []
    for base, state in zip(bases, states, strict=True):
        parts += [base.weight.detach(), state.absmax]  # a plain tensor, whose calls are plain
        if state.nested:
            parts += [state.state2.absmax, state.state2.code, state.offset]
    return states[0].quant_type, parts


def usual(state: Any) -> bool:
    """Whether a scale of a 4-bit weight is that of as many values as bitsandbytes takes by itself.

    Nothing else comes with a layer's tensors.
    """
    outer = state.state2.blocksize if state.nested else OUTER_BLOCK
    return bool(state.blocksize == BLOCK and outer == OUTER_BLOCK)


def fp8_in_one(bases: Sequence[Any]) -> Any | None:
    """One layer in the place of several in fp8; None where there is one, or of other layers."""
    from llmbench_fast.fp8_linear import Fp8Linear

    first = bases[0]
    if len(bases) == 1 or not isinstance(first, Fp8Linear):
        return None
    weight, scale = (stacked([getattr(b, n) for b in bases]) for n in ("weight", "scale"))
    biases = [b.bias if b.bias is not None else scale.new_zeros(b.out_features) for b in bases]
    bias = None if all(b.bias is None for b in bases) else torch.cat(biases)
    return Fp8Linear(weight, scale, bias, first.compute_dtype, first.by_row, first.emulated)


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Frozen matrices one under the other in one tensor, whose parts they are from now on."""
    if len(tensors) == 1:
        return tensors[0]
    whole = torch.cat([t.detach() for t in tensors])
    for tensor, part in zip(tensors, whole.split([len(t) for t in tensors]), strict=True):
        tensor.data = part
    return whole
