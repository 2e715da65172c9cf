"""A training step of many equal layers, worked out from steps of few.

What is taken and given back with four layers is what is with three and, wherever a layer has its
turn, the same once more. Where that is so, event by event, the step of all layers follows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from llmbench.worker.estimate.watch import Allocation, Kind, Ledger

FEWER, MORE = 3, 4
"""Layers that are run. The first and the last may differ from those between, so that the fourth is
the first of which there is another."""
LEAST = 8
"""Layers from which it pays."""
NEGLIGIBLE = 1e-7
"""Of what is held all the time: what is smaller is left out, a norm of a gradient, say."""
LOOK_AHEAD = 8
"""So many events must go on as without the inserted ones."""


class Event(NamedTuple):
    """Memory that is taken, or given back where it is negative."""

    size_bytes: int
    kind: Kind


class Trace(NamedTuple):
    """What is held as a step begins, and what comes and goes."""

    base: Counter[Kind]
    events: list[Event]


def stack_of(model: Any, added: Iterable[torch.Tensor]) -> torch.nn.ModuleList | None:
    """The model's one list of layers, if they are equal in all that decides their memory.

    None, too, where something was added beside them: it may be made for so many layers.
    """
    lists = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) >= LEAST]
    if len(lists) != 1:
        return None
    inside = {id(t) for t in (*lists[0].parameters(), *lists[0].buffers())}
    if any(id(t) not in inside for t in added):
        return None
    first, *others = map(signature, lists[0])
    return lists[0] if all(other == first for other in others) else None


def signature(layer: torch.nn.Module) -> list[Any]:
    """Classes, plain attributes and tensors of a layer's modules."""
    return [list(_facts(name, module)) for name, module in layer.named_modules()]


def _facts(name: str, module: torch.nn.Module) -> Iterator[Any]:
    yield name, type(module), module.training
    for key, value in sorted(vars(module).items()):
        if isinstance(value, bool | int | float | str | None) and key != "layer_idx":
            yield key, value
    for key, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is not None:
            yield key, tuple(tensor.shape), tensor.dtype, tensor.requires_grad, type(tensor)


@contextmanager
def only(stack: torch.nn.ModuleList, count: int) -> Iterator[None]:
    """The list with its first layers alone."""
    modules = stack._modules
    stack._modules = dict(list(modules.items())[:count])
    try:
        yield
    finally:
        stack._modules = modules


def sizes(allocations: Iterable[Allocation]) -> Counter[Kind]:
    """Bytes of the allocations by what they are for."""
    totals: Counter[Kind] = Counter()
    for allocation in allocations:
        totals[allocation.kind] += allocation.size_bytes
    return totals


def since(ledger: Ledger, moment: int, base: Counter[Kind]) -> Trace:
    """What has come and gone since a moment of the ledger's."""
    timed = []
    for allocation in ledger.all():
        if allocation.born > moment:
            timed.append((allocation.born, Event(allocation.size_bytes, allocation.kind)))
        if allocation.died is not None and allocation.died > moment:
            timed.append((allocation.died, Event(-allocation.size_bytes, allocation.kind)))
    return Trace(base, [event for _, event in sorted(timed)])


def plus(few: Counter[Kind], more: Counter[Kind], times: int) -> Counter[Kind]:
    """What a count becomes that has grown from the one to the other so many times."""
    kinds = few.keys() | more.keys()
    return Counter({k: few[k] + times * (more[k] - few[k]) for k in kinds})


def extended(fewer: Trace, more: Trace, layers: int) -> Counter[Kind] | None:
    """What is held at the peak with so many layers; None where the traces do not tell."""
    base = plus(fewer.base, more.base, layers - FEWER)
    least = int(NEGLIGIBLE * sum(base.values()))
    short, long = (
        [e for e in trace.events if abs(e.size_bytes) > least] for trace in (fewer, more)
    )
    blocks = insertions(short, long)
    if blocks is None:
        return None
    events, done = list[Event](), 0
    for end, length in blocks:
        events += long[done:end] + long[end - length : end] * (layers - MORE)
        done = end
    events += long[done:]
    changes = np.fromiter((e.size_bytes for e in events), dtype=np.int64, count=len(events))
    moment = int(np.argmax(np.concatenate([[0], np.cumsum(changes)])))
    peak = Counter(base)
    for event in events[:moment]:
        peak[event.kind] += event.size_bytes
    return peak


def insertions(fewer: Sequence[Event], more: Sequence[Event]) -> list[tuple[int, int]] | None:
    """Where each inserted block ends in the longer sequence, and its length.

    Each is the same as what comes before it. None where that is not all there is between the two.
    """
    blocks = []
    short = long = 0
    while short < len(fewer) or long < len(more):
        if short < len(fewer) and long < len(more) and fewer[short] == more[long]:
            short, long = short + 1, long + 1
            continue
        length = repeated(more, long, fewer[short : short + LOOK_AHEAD])
        if not length:
            return None
        long += length
        blocks.append((long, length))
    return blocks


def repeated(events: Sequence[Event], at: int, after: Sequence[Event]) -> int:
    """The length of the shortest block that stands before and behind a place, and is followed by
    these; 0 for none.
    """
    for length in range(1, min(at, len(events) - at) + 1):
        end = at + length
        if events[end - 1] != events[at - 1]:
            continue
        follows = list(events[end : end + len(after)]) == list(after)
        if follows and events[at - length : at] == events[at:end]:
            return length
    return 0
