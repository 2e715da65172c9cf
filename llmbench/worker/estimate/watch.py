"""Sees every storage that comes and goes on the meta device, and enters it in a ledger."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from llmbench.worker.estimate import kernel
from llmbench.worker.estimate.shape import RULES

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

    def all(self) -> Iterator[Allocation]:
        """What is held, and what was until the peak was reset last."""
        yield from self._held
        yield from self._gone

    @property
    def moment(self) -> int:
        """The present one."""
        return self._moment

    def held(self, kind: Kind) -> int:
        """Bytes that are held now for that."""
        return sum(a.size_bytes for a in self._held if a.kind == kind)

    def at_peak(self) -> Counter[Kind]:
        """Bytes that were held at the peak, by what they were for."""
        return self.held_then(self._peak_moment)

    def held_then(self, moment: int) -> Counter[Kind]:
        """Bytes that were held at a moment since the peak was reset, by what they were for."""
        totals: Counter[Kind] = Counter()
        for allocation in self.all():
            if allocation.held_at(moment):
                totals[allocation.kind] += allocation.size_bytes
        return totals


Rule = Callable[..., Any] | None


class Rules(NamedTuple):
    """What there is to do for an operator beside running it, each None where there is nothing."""

    shape: Rule
    """Gives the output."""
    instead: Rule
    """Runs in its place, and is watched."""
    workspace: Rule
    """Gives what it holds while it runs."""


class AllocationCount(TorchDispatchMode):
    """While it is entered, what is made on the meta device is in the ledger as long as it lives.

    Where a kernel for GPUs holds other memory than the one for meta tensors, `kernel` says so.
    """

    def __init__(self, ledger: Ledger, instead: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ledger = ledger
        self._instead = instead
        self._held: dict[int, tuple[Any, Allocation]] = {}
        self._rules: dict[Any, Rules] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rules = self._rules.get(func) or self._learn(func)
        kwargs = kwargs or {}
        made, scratch = NotImplemented, None
        if rules.shape:
            made = rules.shape(*args, **kwargs)
        elif rules.instead:
            with self:
                made = rules.instead(*args, **kwargs)
        elif rules.workspace:
            with self:
                scratch = rules.workspace(*args, **kwargs)
        if made is NotImplemented:
            made = func(*args, **kwargs)
        del scratch
        self._enter(made)
        return made

    def _learn(self, func: Any) -> Rules:
        name = f"{func.namespace}.{func._opname}"
        shape = RULES.get(f"{name}.{func._overloadname}")
        self._rules[func] = Rules(shape, self._instead.get(name), kernel.WORKSPACE.get(name))
        return self._rules[func]

    def allocation(self, tensor: torch.Tensor) -> Allocation | None:
        """The entry of the tensor's storage; None where it is none of the device's."""
        entry = self._held.get(tensor.untyped_storage()._cdata)
        return entry[1] if entry else None

    def mark(self, tensors: Iterable[torch.Tensor], kind: Kind) -> None:
        """Say what the tensors are for."""
        for tensor in tensors:
            entry = self.allocation(tensor)
            if entry:
                entry.kind = kind

    def mark_all(self, kind: Kind) -> None:
        """Say the same of everything that is held now."""
        for _, entry in self._held.values():
            entry.kind = kind

    def _enter(self, made: Any) -> None:
        if isinstance(made, torch.Tensor):
            if made.is_meta:
                self._hold(made.untyped_storage())
        elif isinstance(made, tuple | list):
            for one in made:
                self._enter(one)

    def _hold(self, storage: Any) -> None:
        key = storage._cdata
        if key in self._held:
            return

        def gone(reference: Any) -> None:
            self.ledger.give(self._held.pop(key)[1])

        self._held[key] = weakref.ref(storage, gone), self.ledger.take(storage.nbytes())
