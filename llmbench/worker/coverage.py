"""How many of a model's weights train, are packed, or have an adapter beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from llmbench.plugin.strategy import CannotRun
from llmbench.record.record import Parameters
from llmbench.text import listed
from llmbench.units import percent
from llmbench.worker.tensor import is_part

NEARLY_ALL = 0.9
"""Share of the layers' weights: a warning says so where less is packed or adapted."""
MOST_NAMED = 3
"""Kinds of weights that a sentence names."""
NUMBERS = re.compile(r"\.\d+(?=\.)")
EIGHT_BITS = frozenset({torch.int8, torch.float8_e4m3fn, torch.float8_e5m2})
"""Types of packed weights; 4-bit ones lie in bytes of any type, with a state beside them."""
Named = list[tuple[str, nn.Parameter]]


def count(model: nn.Module) -> Parameters:
    """Elements that train, that are packed or adapted, and all of them.

    A packed 4-bit weight counts as the elements that it holds.
    """
    parameters = list(model.parameters())
    return Parameters(
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        total=_total(parameters),
        packed=_total(p for p in parameters if is_packed(p)),
        adapted=_total(adapted(model)),
    )


def elements(parameter: torch.Tensor) -> int:
    """Elements that a parameter stands for: bitsandbytes packs two 4-bit ones into a byte.

    A library that says it nowhere is said it for: `stands_for` is a shape.
    """
    packed = getattr(parameter, "quant_state", None)
    shape = packed.shape if packed is not None else getattr(parameter, "stands_for", None)
    return parameter.numel() if shape is None else int(torch.Size(shape).numel())


def is_packed(parameter: Any) -> bool:
    """Whether it is stored in fewer bits than training computes in.

    torchao's are wrappers that pass for the type that they stand for.
    """
    return (
        any(getattr(parameter, name, None) is not None for name in ("quant_state", "stands_for"))
        or getattr(parameter, "dtype", None) in EIGHT_BITS
        or (hasattr(parameter, "__tensor_flatten__") and not is_part(parameter))
    )


def adapted(model: nn.Module) -> list[nn.Parameter]:
    """The base's weights that peft has put an adapter beside."""
    layers = (m for m in model.modules() if getattr(m, "base_layer", None) is not None)
    weights = (_beside(layer) for layer in layers)
    return [w for w in weights if isinstance(w, nn.Parameter)]


def _beside(layer: Any) -> Any:
    """The weight that one of peft's layers adapts; of experts it names one of several."""
    base = layer.base_layer
    while hasattr(base, "base_layer"):
        base = base.base_layer
    weight = getattr(base, getattr(layer, "parameter_name", "weight"), None)
    return getattr(base, "W_q", None) if weight is None else weight  # as hqq calls it


def check_packed(model: Any, kind: str) -> str | None:
    """A sentence where a part of the layers is not packed; CannotRun where nothing is."""
    matrices = layers(model)
    whole = [(n, p) for n, p in matrices if not is_packed(p)]
    total, packed = _total(p for _, p in matrices), _total(p for _, p in matrices if is_packed(p))
    if not packed:
        raise CannotRun(
            f"Nothing of this model can be packed in {kind}: that takes plain linear layers, and "
            f"{kinds(whole)} are none."
        )
    if packed > NEARLY_ALL * total:
        return None
    return (
        f"{percent(packed, total)} of the weights of its layers are in {kind}: only plain linear "
        f"layers are packed, which leaves {kinds(whole)} as they were."
    )


def check_adapted(model: Any) -> str | None:
    """A sentence where adapters stand beside a part of the layers; None where there are none."""
    beside = {id(w) for w in adapted(model)}
    if not beside:
        return None
    matrices = [(n, p) for n, p in layers(model) if not p.requires_grad]
    without = [(n, p) for n, p in matrices if id(p) not in beside]
    total = _total(p for _, p in matrices)
    with_one = total - _total(p for _, p in without)
    if with_one > NEARLY_ALL * total:
        return None
    return (
        f"Adapters stand beside {percent(with_one, total)} of the weights of its layers: "
        f"{kinds(without)} have none."
    )


def layers(model: Any) -> Named:
    """The matrices of a model by name, without its embeddings, of positions too, and its head."""
    ends = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    ends += [end for end in (model.get_output_embeddings(),) if end is not None]
    outside = {id(p) for end in ends for p in end.parameters()}
    named = model.named_parameters()
    return [(n, p) for n, p in named if id(p) not in outside and (p.dim() > 1 or is_packed(p))]


def kinds(named: Sequence[tuple[str, nn.Parameter]]) -> str:
    """What the weights are called, with the layers' numbers left out, the largest first."""
    sizes: dict[str, int] = {}
    for name, parameter in named:
        name = name.replace(".base_layer", "")
        kind = ".".join(NUMBERS.sub("", f".{name}").removesuffix(".weight").split(".")[-2:])
        sizes[kind] = sizes.get(kind, 0) + elements(parameter)
    return listed(sorted(sizes, key=lambda kind: -sizes[kind]), MOST_NAMED)


def _total(parameters: Iterable[torch.Tensor]) -> int:
    return sum(map(elements, parameters))
