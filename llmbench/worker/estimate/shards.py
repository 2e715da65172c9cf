"""The peak on each GPU of a model that is cut up unit by unit, as torch's FSDP2 does it.

One GPU's steps are simulated, and it is written down when each unit, a layer or the rest of the
model, has its turn in the forward and the backward pass. Everything that was held is then gone
through again: weights and states have the size of a part, gradients have it once they are reduced,
activations are whole, and what is gathered and sent comes and goes beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from llmbench.plugin.strategy import Cut
from llmbench.record.record import MemoryParts
from llmbench.record.settings import Settings
from llmbench.worker.estimate.simulation import Simulation
from llmbench.worker.estimate.watch import Allocation, Kind

Turn = Literal["forward", "forward ends", "backward", "backward ends", "all end"]
REST = 0
"""The unit of all weights that are in no other."""


@dataclass(frozen=True)
class Unit:
    """Weights that are gathered together."""

    module: nn.Module
    gathered_bytes: int
    """Bytes of all its weights, whole."""
    gradient_bytes: int
    """Bytes of the gradients of those that are trained, whole."""


class Moment(NamedTuple):
    """A unit's turn, at a moment of the ledger's."""

    at: int
    turn: Turn
    unit: int = REST


class Change(NamedTuple):
    """Bytes that are taken, or given back where they are negative, in their order at a moment."""

    at: int
    order: int
    size_bytes: int
    kind: Kind = "activations"


def peak(simulation: Simulation, settings: Settings, cut: Cut) -> MemoryParts:
    """What each GPU holds at most in a step. The simulation has to run all of the layers."""
    units = units_of(simulation.model, cut.units)
    watch = Watch(units, lambda: simulation.watch.ledger.moment)
    with watch.watching():
        simulation.peak(settings)
    changes = [
        *held(simulation, cut.parts, list(reductions(watch.moments))),
        *exchanged(watch.moments, units, cut),
    ]
    sizes: Counter[Kind] = Counter()
    highest: Counter[Kind] = Counter()
    for change in sorted(changes, key=lambda c: (c.at, c.order)):
        sizes[change.kind] += change.size_bytes
        if sizes.total() > highest.total():
            highest = sizes.copy()
    parts = {f"{kind}_bytes": size for kind, size in highest.items()}
    parts["activations_bytes"] += simulation.workspace_bytes
    return MemoryParts(**{"weights_bytes": 0, **parts})


def units_of(model: nn.Module, modules: Sequence[nn.Module]) -> list[Unit]:
    """The rest of the model, and then each of the modules that are units by themselves."""
    inside = {id(p) for m in modules for p in m.parameters()}
    rest = [p for p in model.parameters() if id(p) not in inside]
    return [unit_of(model, rest), *(unit_of(m, list(m.parameters())) for m in modules)]


def unit_of(module: nn.Module, parameters: Sequence[nn.Parameter]) -> Unit:
    """The unit of these weights."""
    sizes = [(p.numel() * p.element_size(), p.requires_grad) for p in parameters]
    return Unit(module, sum(s for s, _ in sizes), sum(s for s, trained in sizes if trained))


@dataclass
class Watch:
    """Writes down the units' turns by hooks, as FSDP takes them."""

    units: list[Unit]
    now: Callable[[], int]
    moments: list[Moment] = field(default_factory=list)
    _turns: list[int] = field(default_factory=list)
    """Units whose backward pass has begun: in it, a forward pass computes activations again."""

    def watching(self) -> ExitStack:
        """A context in which the hooks are there."""
        stack = ExitStack()
        for number, unit in enumerate(self.units):
            for hook in self._hooks(number, unit.module):
                stack.callback(hook.remove)
        return stack

    def _hooks(self, unit: int, module: nn.Module) -> Iterator[Any]:
        def before(*_: Any) -> None:
            if unit not in self._turns:
                self._note("forward", unit)

        def after(_: nn.Module, inputs: Any, output: Any) -> None:
            if unit in self._turns:
                return
            self._note("forward ends", unit)
            for one in tensors(output):
                if one.requires_grad:
                    one.register_hook(lambda _: self._begin(unit))

        yield module.register_forward_pre_hook(before)
        yield module.register_forward_hook(after)

    def _note(self, turn: Turn, unit: int) -> None:
        self.moments.append(Moment(self.now(), turn, unit))

    def _begin(self, unit: int) -> None:
        """A unit's outputs have gradients: the unit after it is done, as layers go."""
        if unit in self._turns:
            return
        if not self._turns:
            engine: Any = torch.autograd.Variable._execution_engine
            engine.queue_callback(self._end_all)
        if unit != REST:
            for other in [n for n in self._turns if n != REST]:
                self._end(other)
        self._turns.append(unit)
        self._note("backward", unit)

    def _end(self, unit: int) -> None:
        self._turns.remove(unit)
        self._note("backward ends", unit)

    def _end_all(self) -> None:
        for unit in sorted(self._turns):
            self._end(unit)
        self._note("all end", REST)


def tensors(output: Any) -> Iterator[torch.Tensor]:
    """The tensors of what a module returns."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, dict | tuple | list):
        for one in output.values() if isinstance(output, dict) else output:
            yield from tensors(one)


def reductions(moments: Sequence[Moment]) -> Iterator[tuple[int, int]]:
    """When gradients come into being that are reduced together, from the first on, and when so."""
    begun: dict[int, int] = {}
    for at, turn, unit in moments:
        if turn == "backward":
            begun[unit] = at
        elif turn == "backward ends":
            yield begun.pop(unit), at


def held(
    simulation: Simulation, parts: int, reduced: Sequence[tuple[int, int]]
) -> Iterator[Change]:
    """What comes and goes on one GPU, weights, gradients and states being parts."""
    ledger, began = simulation.watch.ledger, simulation.began
    weights = {id(simulation.watch.allocation(p)) for p in simulation.model.parameters()}
    for one in ledger.all():
        born = max(one.born, began)
        cut_up = id(one) in weights or one.kind == "optimizer"
        size = -(-one.size_bytes // parts) if cut_up else one.size_bytes
        yield Change(born, 0, size, one.kind)
        if one.kind == "gradients":
            kept = -(-one.size_bytes // parts)
            yield Change(reduced_at(one, reduced), 2, kept - size, one.kind)
            size = kept
        if one.died is not None:
            yield Change(one.died, 0, -size, one.kind)


def reduced_at(gradient: Allocation, reduced: Sequence[tuple[int, int]]) -> int:
    """When a gradient is: with the unit in whose turn it came into being, else with the rest."""
    ends = [(until - since, until) for since, until in reduced if since <= gradient.born <= until]
    return min(ends)[1] if ends else gradient.born


def exchanged(moments: Sequence[Moment], units: Sequence[Unit], cut: Cut) -> Iterator[Change]:
    """What is held to gather weights, and to send gradients.

    It follows torch/distributed/fsdp/_fully_shard, _fsdp_param_group.py and _fsdp_collectives.py
    (torch 2.11 to 2.13): weights are gathered into one buffer and copied out of it. In the forward
    pass the buffer stays until the next unit's is full; in the backward pass the unit before is
    gathered ahead. Gradients are copied into a buffer that stays until the next ones are.
    """
    gatherer = Gatherer(units, cut)
    turns = {
        "forward": gatherer.forward,
        "forward ends": gatherer.forward_ends,
        "backward": gatherer.backward,
        "backward ends": gatherer.backward_ends,
        "all end": gatherer.all_end,
    }
    for at, turn, unit in moments:
        for size_bytes in turns[turn](unit):
            yield Change(at, 1, size_bytes)


class Gatherer:
    """What FSDP does at each turn, as the bytes that it takes and gives back in order."""

    def __init__(self, units: Sequence[Unit], cut: Cut) -> None:
        self._units = units
        self._regathers = cut.regathers
        self._gathered = set[int]()
        self._forward_order = list[int]()
        self._buffer = 0
        """Bytes of the last forward gathering's buffer."""
        self._ahead: int | None = None
        """The unit that is gathered ahead, into its buffer."""
        self._sent = 0
        """Bytes of the buffer of gradients."""
        self._again = False
        """Whether there are gradients of a micro-batch before."""

    def forward(self, unit: int) -> Iterator[int]:
        """Gather a unit, if it is not there yet."""
        if unit in self._gathered:
            return
        whole = self._units[unit].gathered_bytes
        self._gathered.add(unit)
        yield whole
        yield -self._buffer
        yield whole
        self._buffer = whole

    def forward_ends(self, unit: int) -> Iterator[int]:
        """Let go of it, unless it is kept for the backward pass."""
        self._forward_order.append(unit)
        if self._regathers:
            self._gathered.discard(unit)
            yield -self._units[unit].gathered_bytes
        if unit == REST:
            yield -self._buffer
            self._buffer = 0

    def backward(self, unit: int) -> Iterator[int]:
        """Gather it again, and the one before it ahead."""
        whole = self._units[unit].gathered_bytes
        if unit not in self._gathered:
            self._gathered.add(unit)
            if self._ahead != unit:
                yield whole
            yield whole
            yield -whole
        self._ahead = None
        place = self._forward_order.index(unit)
        before = self._forward_order[place - 1] if place else unit
        if before not in self._gathered:
            self._ahead = before
            yield self._units[before].gathered_bytes

    def backward_ends(self, unit: int) -> Iterator[int]:
        """Let go of it, and send its gradients."""
        self._gathered.discard(unit)
        yield -self._units[unit].gathered_bytes
        gradients = self._units[unit].gradient_bytes
        if not gradients:
            return
        yield -self._sent
        # Those of later micro-batches are added up in the simulation before they are sent.
        yield gradients + (gradients if self._again else 0)
        yield -gradients if self._again else 0
        self._sent = gradients

    def all_end(self, unit: int) -> Iterator[int]:
        """The backward pass is over."""
        yield -self._sent
        self._sent = 0
        self._forward_order.clear()
        self._again = True
