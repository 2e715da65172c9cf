"""Sees every storage that comes and goes on the meta device, and enters it in a ledger."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from llmbench.worker.estimate import kernel
from llmbench.worker.estimate.ledger import Allocation, Kind, Ledger
from llmbench.worker.estimate.shape import RULES

Rule = Callable[..., Any] | None


class Rules(NamedTuple):
    """What there is to do for an operator beside running it, each None where there is nothing."""

    shape: Rule
    """Gives the output."""
    instead: Rule
    """Runs in its place, and is watched."""
    workspace: Rule
    """Gives what it holds while it runs."""


class Watch(TorchDispatchMode):
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
        held = self._held.get(tensor.untyped_storage()._cdata)
        return held[1] if held else None

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
