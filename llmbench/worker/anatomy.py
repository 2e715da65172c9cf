"""What a training step's peak of device memory is made of, from the allocator's own history."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from llmbench.record.record import MemoryParts
from llmbench.record.settings import Settings
from llmbench.worker import tensor
from llmbench.worker.batch import Batch

ROUNDING_BYTES = 512
"""Torch's allocator gives out multiples of this; its history has the sizes that were asked for."""


class Event(NamedTuple):
    """An allocation, or a block that was given back; size in bytes, as it was asked for."""

    allocates: bool
    address: int
    size: int


class PeakMoment(NamedTuple):
    """The moment at which most was held."""

    size: int
    """Bytes held then."""
    blocks: Mapping[int, int]
    """Of the blocks that are held at the end, those that were held then: address to size."""


def find_peak(events: Sequence[Event], blocks: Mapping[int, int]) -> PeakMoment:
    """The moment of the peak over the events; `blocks` is what is held at the end of them.

    A block's size is the allocator's where it still stands at the end, and else the size asked
    for, rounded up. An address is given out again and again: only its last allocation is what
    stands there at the end.
    """
    born, before = _lives(events, blocks)
    size_now = most = before
    moment, sizes = -1, dict[int, int]()
    for index, event in enumerate(events):
        if event.allocates:
            lasting = born.get(event.address) == index
            size = blocks[event.address] if lasting else _rounded(event.size)
            sizes[event.address] = size
            size_now += size
        else:
            size_now -= sizes.pop(event.address, _rounded(event.size))
        if size_now > most:
            most, moment = size_now, index
    return PeakMoment(most, {a: size for a, size in blocks.items() if born.get(a, -1) <= moment})


def take_apart(peak: PeakMoment, owners: Mapping[str, Iterable[int]]) -> MemoryParts:
    """The peak by what it was made of; `owners` has addresses by the name of a part.

    A block counts once, for the first owner that has an address inside it. What nobody owns, and
    what was given back before the end, are activations and the rest.
    """
    starts, counted = sorted(peak.blocks), set[int]()
    sizes = {}
    for name, addresses in owners.items():
        mine = {s for a in addresses if (s := _start(peak.blocks, starts, a)) is not None} - counted
        counted |= mine
        sizes[name] = sum(peak.blocks[start] for start in mine)
    return MemoryParts(**sizes, activations_bytes=max(0, peak.size - sum(sizes.values())))


def _lives(events: Sequence[Event], blocks: Mapping[int, int]) -> tuple[dict[int, int], int]:
    """The event that made each block that lasts, and the bytes held before the first event."""
    alive = dict[int, int]()
    before = 0
    for index, event in enumerate(events):
        if event.allocates:
            alive[event.address] = index
        elif alive.pop(event.address, None) is None:
            before += _rounded(event.size)
    born = {address: index for address, index in alive.items() if address in blocks}
    return born, before + sum(size for a, size in blocks.items() if a not in born)


def _start(blocks: Mapping[int, int], starts: Sequence[int], address: int) -> int | None:
    """Where the block begins that the address lies in."""
    index = bisect_right(starts, address) - 1
    if index < 0 or address >= starts[index] + blocks[starts[index]]:
        return None
    return starts[index]


def _rounded(size: int) -> int:
    return -(-size // ROUNDING_BYTES) * ROUNDING_BYTES


MOST_EVENTS = 500_000
"""The most allocations and frees of one step that are kept; with more, the peak has no parts."""
ACTIONS = {"alloc": True, "free_requested": False}
"""The events that change what torch counts as allocated."""


class Anatomy:
    """Has the allocator write down one step, and takes the step's peak apart.

    Recording costs a few microseconds an allocation: it never runs in a step that is timed.
    """

    def __init__(
        self, model: torch.nn.Module, base: tensor.Base, optimizer: torch.optim.Optimizer
    ) -> None:
        self._model = model
        self._base = base
        self._optimizer = optimizer

    def begin(self) -> None:
        """Start writing down. No stack traces: they are what would cost memory."""
        record = torch.cuda.memory._record_memory_history
        record("all", context=None, stacks="python", max_entries=MOST_EVENTS)

    def end(self) -> MemoryParts | None:
        """Stop, while weights, gradients and states are all there; None where it did not work."""
        try:
            return self._parts(torch.cuda.memory._snapshot())
        except Exception:  # torch promises nothing of its history: without it the figure is empty
            return None
        finally:
            torch.cuda.memory._record_memory_history(None)

    def _parts(self, snapshot: dict[str, Any]) -> MemoryParts | None:
        device = torch.cuda.current_device()
        history = snapshot["device_traces"][device]
        if not history or len(history) >= MOST_EVENTS:
            return None
        events = [
            Event(ACTIONS[e["action"]], e["addr"], e["size"])
            for e in history
            if e["action"] in ACTIONS
        ]
        peak = find_peak(events, blocks(snapshot["segments"], device))
        return take_apart(peak, tensor.owned(self._model, self._base, self._optimizer))


def blocks(segments: Sequence[dict[str, Any]], device: int) -> dict[int, int]:
    """Address to size of every block that the allocator has given out on the device."""
    sizes = {}
    for segment in segments:
        address = segment["address"]
        for block in segment["blocks"]:  # side by side, from the segment's start
            if segment["device"] == device and block["state"] == "active_allocated":
                sizes[address] = block["size"]
            address += block["size"]
    return sizes


def step_to_record(steps: Sequence[Sequence[Batch]], settings: Settings) -> int | None:
    """The step whose peak is taken apart: of those that are not timed, the one with most tokens.

    Not the first: the optimiser's states come into being at its end. None where fewer than two
    steps are left out of the timing.
    """
    untimed = range(1, min(settings.burn_in_steps, len(steps)))
    return max(untimed, key=lambda n: max(b.padded_tokens for b in steps[n]), default=None)


def grown(parts: MemoryParts | None, peak_bytes: int) -> MemoryParts | None:
    """The parts of one step's peak as those of the whole phase's peak, so that they add up to it.

    A later step may have longer sequences, whose activations need more; the allocator's rounding
    is with them too. Weights, states and gradients are the same in every step.
    """
    if parts is None:
        return None
    more = peak_bytes - parts.total_bytes
    activations = max(0, parts.activations_bytes + more)
    return parts.model_copy(update={"activations_bytes": activations})
