"""The forward and the backward pass of a micro-batch as two CUDA graphs: worker code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from llmbench.plugin.strategy import CannotRun
from llmbench.worker import shortage

Loss = Callable[[Any, Mapping[str, Tensor]], Tensor]
WARM_UPS = 2
"""Passes before a recording, in which whatever is made once is made: compiled code, plans, handles.
None of that can be recorded."""


@dataclass
class Shared:
    """What the graphs of a training loop have in common, since one runs at a time."""

    pool: Any = field(default_factory=torch.cuda.graph_pool_handle)
    """The memory of what they compute."""
    stream: Any = field(default_factory=torch.cuda.Stream)
    """Where passes run before a recording. One, since cuBLAS keeps a work space for each."""
    gradients: list[Tensor | None] = field(default_factory=list)
    """Of each trained weight; none for one that no graph reached."""


SHARED: WeakKeyDictionary[Loss, Shared] = WeakKeyDictionary()


def replay(
    loss: Loss, model: Any, inputs: Mapping[str, Tensor]
) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """What computes the loss of such inputs by graphs. CannotRun where none can be made."""
    weights = [p for p in model.parameters() if p.requires_grad]
    if loss not in SHARED:
        SHARED[loss] = Shared()
    try:
        graphs = Graphs(loss, model, weights, inputs, SHARED[loss])
    except RuntimeError as error:
        if shortage.out_of_memory(error):
            raise
        raise CannotRun(f"Its step cannot be recorded as a CUDA graph: {first(error)}.") from error

    def replayed(given: Mapping[str, Tensor]) -> Tensor:
        value: Tensor = Replayed.apply(graphs, given, *weights)  # type: ignore[no-untyped-call]
        return value

    return replayed


def first(error: BaseException) -> str:
    """What went wrong first: the end of a recording fails for what failed within it."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).split("\n", 1)[0].rstrip(".")


class Graphs:
    """The two graphs of one shape, and the tensors that they read and write."""

    def __init__(
        self,
        loss: Loss,
        model: Any,
        weights: Sequence[Tensor],
        inputs: Mapping[str, Tensor],
        shared: Shared,
    ) -> None:
        self.inputs = {name: value.clone() for name, value in inputs.items()}
        self.shared = shared
        self._warm_up(lambda: loss(model, self.inputs), weights)
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        # What other threads do, such as sampling memory, is no part of it.
        how: dict[str, Any] = {"pool": shared.pool, "capture_error_mode": "thread_local"}
        with no_masks_made(), torch.cuda.graph(self.forward, **how):
            value = loss(model, self.inputs)
        self.slope = torch.ones_like(value)
        with torch.cuda.graph(self.backward, **how):
            self._take(gradients(value, weights, self.slope))
        self.loss = value.detach()

    def _warm_up(self, computed: Callable[[], Tensor], weights: Sequence[Tensor]) -> None:
        stream = self.shared.stream
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                value = computed()
                gradients(value, weights, torch.ones_like(value))
        torch.cuda.current_stream().wait_stream(stream)

    def _take(self, found: list[Tensor | None]) -> None:
        """Leave the gradients where those of all shapes are."""
        kept = self.shared.gradients
        if not kept:
            kept += found
            return
        pairs = [(k, f) for k, f in zip(kept, found, strict=True) if k is not None]
        if any(f is None for _, f in pairs) or sum(f is not None for f in found) > len(pairs):
            raise CannotRun("Which weights a step trains depends on its texts: no graph for that.")
        torch._foreach_copy_([k for k, _ in pairs], [f for _, f in pairs if f is not None])


@contextmanager
def no_masks_made() -> Iterator[None]:
    """Have a causal mask left to the attention kernel, as it is outside a recording.

    Transformers takes a recording for a trace, which is to hold for other inputs as well, and so
    makes a mask of what came without one: other kernels than were seen to run. It also looks for
    texts in one row, which batches of these steps do not have.
    """
    from transformers import masking_utils

    names = vars(masking_utils)
    traces = names["is_tracing"]
    changed = {
        "is_tracing": lambda tensor=None: tensor is not None and traces(tensor),
        "find_packed_sequence_indices": lambda _: None,
    }
    before = {name: names[name] for name in changed}
    names.update(changed)
    try:
        yield
    finally:
        names.update(before)


def gradients(value: Tensor, weights: Sequence[Tensor], slope: Tensor) -> list[Tensor | None]:
    """Those of the weights; None for one that the loss does not depend on."""
    return list(torch.autograd.grad(value, weights, slope, allow_unused=True))


class Replayed(torch.autograd.Function):
    """The loss by the forward graph, and the gradients of the weights by the backward graph."""

    @staticmethod
    def forward(ctx: Any, graphs: Graphs, given: Mapping[str, Tensor], *weights: Tensor) -> Tensor:
        """The loss, a copy."""
        for name, value in given.items():
            graphs.inputs[name].copy_(value)
        graphs.forward.replay()
        ctx.graphs = graphs
        return graphs.loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """Copies of the gradients: the next micro-batch's are written over these."""
        graphs: Graphs = ctx.graphs
        graphs.slope.copy_(slope)
        graphs.backward.replay()
        kept = graphs.shared.gradients
        copies = iter(torch._foreach_mul([k for k in kept if k is not None], 1.0))
        return None, None, *(None if k is None else next(copies) for k in kept)
