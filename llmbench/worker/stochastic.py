"""AdamW on bf16 weights with stochastic rounding: no update is too small to count on average.

A value between two numbers of bf16 becomes the upper one with a chance as large as its share of the
way, so that it is right on average (Gupta et al., 2015; for training in bf16 Zamirai et al., 2020).
Both moments are rounded in the same way: rounded to the nearest, a second moment in bf16 never
decays, since 1 - 0.999 is less than half its last bit. A weight takes 8 bytes, gradient included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

BUCKET = 2**24
"""Weights that are computed in fp32 at a time, at most, unless a single tensor has more."""


class StochasticAdamW(torch.optim.Optimizer):
    """Steps weights in buckets, each copied to fp32, stepped by torch's fused AdamW, and rounded.

    The weights are bf16, with gradients in any type; the states, bf16, are kept per weight as
    `exp_avg` and `exp_avg_sq`.
    """

    def __init__(
        self,
        weights: Sequence[torch.nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps}
        super().__init__(weights, defaults)
        self._steps = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Step every weight that has a gradient."""
        self._steps += 1
        for group in self.param_groups:
            held = [p for p in group["params"] if p.grad is not None]
            for bucket in buckets(held):
                self._step(bucket, group)

    def _step(self, weights: list[torch.Tensor], group: dict[str, Any]) -> None:
        states = [self._state(w) for w in weights]
        firsts = [s["exp_avg"] for s in states]
        seconds = [s["exp_avg_sq"] for s in states]
        gradients = [w.grad for w in weights if w.grad is not None]
        weight, gradient, first, second = map(flattened, (weights, gradients, firsts, seconds))
        beta1, beta2 = group["betas"]
        torch._fused_adamw_(
            [weight],
            [gradient],
            [first],
            [second],
            [],
            [torch.full((), float(self._steps), device=weight.device)],
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )
        for held, exact in ((weights, weight), (firsts, first), (seconds, second)):
            round_into(held, exact)

    def _state(self, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = self.state[weight]
        if not state:
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        return state


def buckets(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """The tensors in groups of at most `BUCKET` elements."""
    group, size = list[torch.Tensor](), 0
    for tensor in tensors:
        if group and size + tensor.numel() > BUCKET:
            yield group
            group, size = [], 0
        group.append(tensor)
        size += tensor.numel()
    if group:
        yield group


def flattened(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The elements of all tensors in a row, in fp32."""
    flat = torch.empty(sum(t.numel() for t in tensors), device=tensors[0].device)
    torch._foreach_copy_(parted(flat, tensors), list(tensors))
    return flat


def parted(flat: torch.Tensor, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The elements in a row as tensors of these shapes."""
    parts = flat.split([t.numel() for t in like])
    return [part.view(t.shape) for part, t in zip(parts, like, strict=True)]


def round_into(targets: Sequence[torch.Tensor], exact: torch.Tensor) -> None:
    """Round fp32 values stochastically into bf16 tensors, of which they are the elements in a row.

    bf16 is the upper half of fp32: a random lower half is added, and the lower half cut off.
    """
    bits = exact.view(torch.int32)
    bits += torch.randint(0, 2**16, bits.shape, dtype=torch.int32, device=bits.device)
    upper = bits.view(torch.bfloat16).view(-1, 2)[:, 1].contiguous()
    torch._foreach_copy_(list(targets), parted(upper, targets))
