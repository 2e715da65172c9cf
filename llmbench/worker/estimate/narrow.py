"""What each GPU has of a model whose matrices are cut up over several, by transformers' plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from llmbench.plugin.strategy import CannotRun

BY_ROWS = frozenset({"colwise", "colwise_gather_output", "colwise_rep", "embedding_rowwise"})
"""Styles that leave a part of the rows of torch's weights: of outputs, or of the vocabulary."""
BY_COLUMNS = frozenset({"rowwise", "rowwise_rep"})
GATHERED = frozenset({"colwise_gather_output", "colwise_rep"})
"""Styles after which each GPU has the whole output again."""


def narrow(model: Any, gpus: int) -> None:
    """Leave of every matrix in the plan the part that one GPU has.

    Heads follow, as attention takes their number from what its projections give. CannotRun where
    the plan has a style that is not known here.
    """
    modules = dict(model.named_modules())
    parts: dict[int, nn.Parameter] = {}
    for pattern, style in plan_of(model).items():
        for name in [n for n in modules if matches(pattern, n)]:
            cut(modules[name], style, gpus, parts)


def plan_of(model: Any) -> Mapping[str, str]:
    """The whole plan, `*` standing for the number of a layer."""
    plan: Mapping[str, str] = model.tp_plan
    return plan


def matches(pattern: str, name: str) -> bool:
    """Whether a module's name is meant."""
    wanted, parts = pattern.split("."), name.split(".")
    same = len(wanted) == len(parts)
    return same and all(w in ("*", p) for w, p in zip(wanted, parts, strict=True))


def cut(module: nn.Module, style: str, gpus: int, parts: dict[int, nn.Parameter]) -> None:
    """Leave a part of a module's matrix; `parts` are those of matrices that were cut before it."""
    if style not in BY_ROWS | BY_COLUMNS or not isinstance(module, nn.Linear | nn.Embedding):
        raise CannotRun(f"The memory of a model whose plan has '{style}' is not predicted.")
    along = 0 if style in BY_ROWS else 1
    weight = module.weight
    sizes = [n // gpus if d == along else n for d, n in enumerate(weight.shape)]
    part = nn.Parameter(weight.new_empty(sizes), weight.requires_grad)
    module.weight = part = parts.setdefault(id(weight), part)  # tied ones stay tied
    if isinstance(module, nn.Embedding):
        module.padding_idx = None  # it may lie in another part
        return
    module.out_features, module.in_features = part.shape
    if module.bias is not None and along == 0:
        bias = module.bias.new_empty(module.out_features)
        module.bias = nn.Parameter(bias, module.bias.requires_grad)
    if style in GATHERED:
        module.register_forward_hook(lambda _, inputs, output: torch.cat([output] * gpus, -1))
