"""AdamW on bf16 weights with stochastic rounding: no update is too small to count on average.

A value between two numbers of bf16 becomes the upper one with a chance as large as its share of the
way, so that it is right on average (Gupta et al., 2015; for training in bf16 Zamirai et al., 2020).
Both moments are rounded in the same way: rounded to the nearest, a second moment in bf16 never
decays, since 1 - 0.999 is less than half its last bit. A weight takes 8 bytes, gradient included.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import torch

from llmbench.worker.tensor import is_part, local

States = dict[str, torch.Tensor]
BUCKET = 2**24
"""Elements of weights that are computed together, at most, unless a single tensor has more."""
SMALL = 2**20
"""Elements of a weight that takes a GPU less time than launching the kernel for it takes the host.

Adapters are hundreds of such: 448, one by one, kept an H100 waiting for 2 to 18 ms a step."""


class StochasticAdamW(torch.optim.Optimizer):
    """Steps bf16 weights, whose gradients may be of any type.

    The states, bf16, are kept per weight as `exp_avg` and `exp_avg_sq`. On a GPU a kernel does it
    all in one pass where Triton works, of small weights for many at once; else weights are stepped
    in buckets, each copied to fp32, stepped by torch's fused AdamW, and rounded. Of one that is cut
    up over processes, the part that is here is stepped. The random numbers are its own, the same in
    every process, so that the replicas of a weight stay equal.
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
        self._seed = torch.initial_seed()
        self._generators: dict[torch.device, torch.Generator] = {}
        self._packs: dict[int, list[Pack]] = {}
        self.kernel = fused() if all(w.is_cuda for w in weights) else None
        """What steps a weight in one pass; None where there is nothing that does."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Step every weight that has a gradient."""
        self._steps += 1
        for number, group in enumerate(self.param_groups):
            weights = [p for p in group["params"] if p.grad is not None]
            if self.kernel:
                self._step_each(weights, group, self._packs.setdefault(number, []))
                continue
            for weight in weights:
                self._state(weight)
            if weights and weights[0].is_meta:
                continue  # a simulation: the states are all there is to see
            for bucket in buckets(weights):  # of whole sizes, whatever the part that is here
                self._step_together(bucket, group)

    def _step_each(
        self, weights: list[torch.Tensor], group: dict[str, Any], packs: list[Pack]
    ) -> None:
        new = [w for w in weights if not self.state[w] and is_small(w)]
        packs += [Pack(bucket, self.state) for bucket in buckets(new)]
        whole = [pack for pack in packs if pack.is_whole(self.state)]
        packed = {id(w) for pack in whole for w in pack.weights}
        apart = [w for w in weights if id(w) not in packed]
        steps: list[Callable[..., None]] = [pack.step for pack in whole]
        steps += [partial(step_one, w, self._state(w)) for w in apart]
        chance = self._generator(torch.device("cpu"))
        seeds = torch.randint(2**31, (len(steps),), generator=chance).tolist()
        options = {name: group[name] for name in ("lr", "weight_decay", "betas", "eps")}
        for step, seed in zip(steps, seeds, strict=True):
            step(self.kernel, number=self._steps, seed=seed, **options)

    def _step_together(self, weights: list[torch.Tensor], group: dict[str, Any]) -> None:
        states = [self._state(w) for w in weights]
        firsts = [s["exp_avg"] for s in states]
        seconds = [s["exp_avg_sq"] for s in states]
        gradients = [local(w.grad) for w in weights if w.grad is not None]
        weights = [local(w.detach()) for w in weights]
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
        for tensors, exact in ((weights, weight), (firsts, first), (seconds, second)):
            round_into(tensors, exact, self._generator(exact.device))

    def _generator(self, device: torch.device) -> torch.Generator:
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]

    def _state(self, weight: torch.Tensor) -> States:
        state: States = self.state[weight]
        if not state:
            values = local(weight.detach())
            state["exp_avg"] = torch.zeros_like(values, memory_format=torch.contiguous_format)
            state["exp_avg_sq"] = torch.zeros_like(values, memory_format=torch.contiguous_format)
        return state


def is_small(weight: torch.Tensor) -> bool:
    """Whether it is better stepped with others; one that is cut up is stepped where its part is."""
    return weight.numel() < SMALL and not is_part(weight)


def step_one(weight: torch.Tensor, state: States, kernel: Callable[..., None], **how: Any) -> None:
    """Step a weight, or the part of it that is here."""
    assert weight.grad is not None
    values, gradient = local(weight.detach()), local(weight.grad).contiguous()
    if values.numel():  # other processes may have all of a small one
        kernel(values, gradient, state["exp_avg"], state["exp_avg_sq"], **how)


class Pack:
    """Small weights whose states lie in a row, so that one kernel steps all of them."""

    def __init__(self, weights: Sequence[torch.Tensor], state: Mapping[Any, States]) -> None:
        """Give the weights their states, which are parts of the row's."""
        self.weights = list(weights)
        size = sum(w.numel() for w in weights)
        self.rows = {
            name: torch.zeros(size, dtype=weights[0].dtype, device=weights[0].device)
            for name in ("exp_avg", "exp_avg_sq")
        }
        self.parts = {name: parted(row, weights) for name, row in self.rows.items()}
        for name, parts in self.parts.items():
            for weight, part in zip(weights, parts, strict=True):
                state[weight][name] = part

    def is_whole(self, state: Mapping[Any, States]) -> bool:
        """Whether all have a gradient, of one type, and the states are still those of the row."""
        gradients = [w.grad for w in self.weights]
        kinds = {None if g is None else g.dtype for g in gradients}
        held = zip(self.weights, self.parts["exp_avg"], strict=True)
        return (
            len(kinds) == 1 and None not in kinds and all(state[w]["exp_avg"] is p for w, p in held)
        )

    def step(self, kernel: Callable[..., None], **how: Any) -> None:
        """Step all: weights and gradients are copied into a row, and the weights back.

        The GPU waits for the host here: what can take all tensors in one call does.
        """
        gradients = [w.grad for w in self.weights if w.grad is not None]
        values, slopes = in_a_row(self.weights), in_a_row(gradients)
        kernel(values, slopes, self.rows["exp_avg"], self.rows["exp_avg_sq"], **how)
        torch._foreach_copy_(self.weights, parted(values, self.weights))


@cache
def fused() -> Callable[..., None] | None:
    """The kernel, tried once; None where Triton, or the compiler that it needs, is missing."""
    try:
        from llmbench.worker import stochastic_kernel

        tried = [torch.ones(8, dtype=torch.bfloat16, device="cuda") for _ in range(4)]
        stochastic_kernel.step(
            *tried, number=1, seed=0, lr=0.0, weight_decay=0.0, betas=(0.9, 0.999), eps=1e-8
        )
        torch.cuda.synchronize()
    except Exception as error:  # whatever a compiler raises: the slower way is always there
        logging.getLogger(__name__).warning("Steps are not fused: %s", error)
        return None
    return stochastic_kernel.step


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


def in_a_row(tensors: list[torch.Tensor]) -> torch.Tensor:
    """The elements of tensors of one type in a row, which for a single tensor may be its own."""
    return torch._C._nn.flatten_dense_tensors(tensors)


def flattened(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """A copy of the elements of all tensors in a row, in fp32."""
    size = sum(t.numel() for t in tensors)
    flat = torch.empty(size, dtype=torch.float32, device=tensors[0].device)
    torch._foreach_copy_(parted(flat, tensors), list(tensors))
    return flat


def parted(flat: torch.Tensor, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The elements in a row as tensors of these shapes."""
    pieces = flat.split([t.numel() for t in like])
    # On the host three times as fast as view(t.shape).
    return [piece.view_as(t) for piece, t in zip(pieces, like, strict=True)]


def round_into(
    targets: Sequence[torch.Tensor], exact: torch.Tensor, chance: torch.Generator | None = None
) -> None:
    """Round fp32 values stochastically into bf16 tensors, of which they are the elements in a row.

    bf16 is the upper half of fp32: a random lower half is added, and the lower half cut off.
    `chance` draws it; without, torch's own generator does.
    """
    bits = exact.view(torch.int32)
    bits += torch.randint(
        0, 2**16, bits.shape, dtype=torch.int32, device=bits.device, generator=chance
    )
    upper = bits.view(torch.bfloat16).view(-1, 2)[:, 1].contiguous()
    torch._foreach_copy_(list(targets), parted(upper, targets))
