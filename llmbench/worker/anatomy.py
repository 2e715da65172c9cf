"""What a training step's peak of device memory is made of, from the allocator's own history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from llmbench.record import MemoryParts
from llmbench.setting import Settings
from llmbench.worker import replay, tensor
from llmbench.worker.batch import Batch
from llmbench.worker.replay import Event

MOST_EVENTS = 500_000
"""Allocations and frees of one step that are kept; where there are more, nothing is said."""
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
        peak = replay.find_peak(events, blocks(snapshot["segments"], device))
        return replay.take_apart(peak, tensor.owned(self._model, self._base, self._optimizer))


def blocks(segments: Sequence[dict[str, Any]], device: int) -> dict[int, int]:
    """Address to size of every block that the allocator has given out on the device."""
    found = {}
    for segment in segments:
        address = segment["address"]
        for block in segment["blocks"]:  # side by side, from the segment's start
            if segment["device"] == device and block["state"] == "active_allocated":
                found[address] = block["size"]
            address += block["size"]
    return found


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
