"""Who holds how much: every allocation with its size, its life and what it is for."""

from __future__ import annotations

from collections import Counter
from typing import Literal

Kind = Literal["weights", "adapter", "gradients", "optimizer", "activations"]

BLOCK_BYTES = 512
"""torch's allocator hands out multiples of this (c10/cuda/CUDACachingAllocator.cpp,
kMinBlockSize). It may leave up to 1 MiB of a larger block unused, which is not modelled."""


class Allocation:
    """Memory that is held from one moment to another, moments counted from the ledger's start."""

    __slots__ = ("born", "died", "kind", "size_bytes")

    def __init__(self, size_bytes: int, kind: Kind, born: int) -> None:
        self.size_bytes = -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
        self.kind = kind
        self.born = born
        self.died: int | None = None

    def held_at(self, moment: int) -> bool:
        """Whether it was held then."""
        return self.born <= moment and (self.died is None or moment < self.died)


class Ledger:
    """Takes and gives back allocations, and knows what was held at the peak.

    What an allocation is for may be set at any time, also after it was given back: of a gradient
    it is known only once it is one.
    """

    def __init__(self) -> None:
        self.held_bytes = 0
        self.peak_bytes = 0
        self._peak_moment = 0
        self._moment = 0
        self._held: set[Allocation] = set()
        self._gone: list[Allocation] = []

    def take(self, size_bytes: int, kind: Kind = "activations") -> Allocation:
        """Hold that much from now on."""
        self._moment += 1
        taken = Allocation(size_bytes, kind, self._moment)
        self._held.add(taken)
        self.held_bytes += taken.size_bytes
        if self.held_bytes > self.peak_bytes:
            self.peak_bytes, self._peak_moment = self.held_bytes, self._moment
        return taken

    def give(self, allocation: Allocation) -> None:
        """Hold it no more."""
        self._moment += 1
        allocation.died = self._moment
        self._held.discard(allocation)
        self._gone.append(allocation)
        self.held_bytes -= allocation.size_bytes

    def reset_peak(self) -> None:
        """Look for the peak from now on; what is held stays."""
        self._gone.clear()
        self.peak_bytes, self._peak_moment = self.held_bytes, self._moment

    def held(self, kind: Kind) -> int:
        """Bytes that are held now for that."""
        return sum(a.size_bytes for a in self._held if a.kind == kind)

    def at_peak(self) -> Counter[Kind]:
        """Bytes that were held at the peak, by what they were for."""
        parts: Counter[Kind] = Counter()
        for allocation in (*self._held, *self._gone):
            if allocation.held_at(self._peak_moment):
                parts[allocation.kind] += allocation.size_bytes
        return parts
