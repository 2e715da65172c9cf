"""What a comparison knows of its cells' memory before it runs them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from llmbench import plugin
from llmbench.config import composition, plan
from llmbench.config.setup import Setup
from llmbench.errors import CompositionError, UserError
from llmbench.estimate.forecast import budget_bytes, saving
from llmbench.record.comparison import Planned
from llmbench.record.events import Predicting, Say, Unpredicted
from llmbench.record.precision import LIGHTEST, PRECISIONS
from llmbench.record.record import Cell, DataRefs, MemoryParts, Phase, Shortage
from llmbench.units import size
from llmbench.workers.job import Estimate

TOO_LARGE = 1.1
"""A cell is skipped if its predicted peak is more than so many times the memory of the GPU."""
Ask = Callable[[tuple[Cell, ...]], Mapping[str, Estimate]]
"""Asks a worker to predict cells, and returns estimates by cell id."""


@dataclass(frozen=True)
class Foresight:
    """Estimates, and what they mean on this machine; none where nothing is predicted."""

    memory_bytes: int = 0
    device_name: str = ""
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    """By the id of the cell that was predicted."""
    cells: tuple[Cell, ...] = ()
    """Those that were predicted."""
    way_out: str = ""
    """What the reason of a skipped cell advises instead."""
    notices: tuple[str, ...] = ()
    """What a reader has to know of why nothing is predicted."""

    def of(self, planned: Planned) -> Planned:
        """The planned cell, to be skipped if it cannot fit."""
        peak = self.peak_bytes(planned.cell)
        if planned.skip or planned.broken or peak is None or not self.beyond(peak):
            return planned
        ways = [self.way_out, *lighter(planned.cell), "run it all the same (--no-predict)"]
        reason = (
            f"It is predicted to need {size(peak)}, and {self.device_name} has "
            f"{size(self.memory_bytes)}: {', '.join(ways[:-1])}, or {ways[-1]}."
        )
        return planned.model_copy(update={"skip": reason})

    def parts(self, cell: Cell) -> MemoryParts | None:
        """What the peak of a cell is predicted to be made of."""
        estimate = self._estimate(cell)
        return estimate.parts if estimate else None

    def instead(self, cell: Cell, phase: Phase | None, shortage: Shortage) -> str | None:
        """A composition of the plan that is predicted to fit where the cell did not, if any.

        It gives up least of those that need less. What evaluation needs is not predicted.
        """
        own = self.peak_bytes(cell)
        if shortage.where != "cuda" or phase == "evaluate":
            return None
        total = min(shortage.total_bytes or self.memory_bytes, self.memory_bytes)
        others = [c for c in self.cells if c.seed == cell.seed and c.id != cell.id]
        less = [c for c in others if own is None or (self.peak_bytes(c) or own) < own]
        other = fitting(replace(self, memory_bytes=total), less)
        return other.composition if other else None

    def peak_bytes(self, cell: Cell) -> int | None:
        """The predicted peak of a cell, as far as there is one."""
        parts = self.parts(cell)
        return parts.total_bytes if parts else None

    def peak_of(self, composition: str) -> int | None:
        """The highest predicted peak of a composition's cells, as far as there is one."""
        peaks = (self.peak_bytes(c) for c in self.cells if c.composition == composition)
        return max((p for p in peaks if p is not None), default=None)

    def _estimate(self, cell: Cell) -> Estimate | None:
        """The estimate of the cell, or of one that differs in what memory does not depend on.

        A search for its learning rate gives a cell another rate and so another id.
        """
        alike = [c for c in self.cells if c.composition == cell.composition and not cell.fit]
        same = [c for c in alike if c.seed == cell.seed]
        estimates = [self.estimates.get(c.id) for c in (*same, *alike)]
        return self.estimates.get(cell.id) or next((f for f in estimates if f), None)

    def beyond(self, peak_bytes: int) -> bool:
        """Whether a peak is so far beyond the device's memory that there is no use in trying."""
        return peak_bytes > TOO_LARGE * self.memory_bytes


UNSEEN = Foresight()
"""Where nothing is predicted."""


def lighter(cell: Cell) -> Iterator[str]:
    """The precision in which trained weights take least memory, if the cell has another."""
    if cell.trains and PRECISIONS[cell.settings.precision].bytes > PRECISIONS[LIGHTEST].bytes:
        yield f"train in --precision {LIGHTEST}"


def foresee(setup: Setup, cells: Sequence[Planned], ask: Ask, listen: Say) -> Foresight:
    """Predict the cells on a GPU, if it is asked for. Whatever fails in it stops no comparison."""
    wanted = tuple(p.cell for p in cells if not (p.skip or p.broken or p.cell.fit))
    if setup.environment.device != "cuda" or not setup.config.predict or not wanted:
        return UNSEEN
    listen(Predicting(done=0, total=len(wanted)))
    try:
        return _foresee(setup, wanted, ask)
    except UserError as error:
        reason = f"{error} They run all the same."
        listen(Unpredicted(reason=reason))
        return Foresight(notices=(reason,))


def _foresee(setup: Setup, cells: tuple[Cell, ...], ask: Ask) -> Foresight:
    environment = setup.environment
    foresight = Foresight(
        environment.device_memory_bytes, environment.device_name, ask(cells), cells
    )
    large = [c for c in cells if foresight.beyond(foresight.peak_bytes(c) or 0)]
    if not large:
        return foresight
    way_out = offer(foresight, cells)
    if way_out is None:
        others = with_saving(setup, large)
        way_out = offer(replace(foresight, estimates=ask(others)), others) if others else None
    return replace(foresight, way_out=way_out or nothing_fits())


def offer(foresight: Foresight, cells: Sequence[Cell]) -> str | None:
    """The clause on the cell that is predicted to fit; None if there is none."""
    cell = fitting(foresight, cells)
    if cell is None:
        return None
    peak = size(foresight.peak_bytes(cell) or 0)
    return f"take {cell.composition}, which is predicted to fit ({peak})"


def fitting(foresight: Foresight, cells: Sequence[Cell]) -> Cell | None:
    """The trained cell that gives up least of those that are predicted to fit, if any."""
    budget = budget_bytes(foresight.memory_bytes) or 0
    peaks = {
        c.id: peak for c in cells if c.trains and (peak := foresight.peak_bytes(c)) is not None
    }
    fit = [c for c in cells if peaks.get(c.id, budget + 1) <= budget]
    return max(fit, key=lambda c: peaks[c.id], default=None)


def nothing_fits() -> str:
    """The sentence where no cell is predicted to fit, and no other strategy would."""
    name = saving()
    tried = f", nor with {name} added" if name else ""
    return (
        f"nothing of this plan is predicted to fit{tried}: try a smaller model, --batch-size "
        "or --seq-len"
    )


def with_saving(setup: Setup, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells with what saves activations added, of those that can take it."""
    name = saving()
    if name is None:
        return ()
    members = {c.id: c.members for c in setup.compositions}
    added = []
    for cell in cells:
        with contextlib.suppress(CompositionError):
            added_member = plugin.registry().strategies.get(name)()
            wanted = composition.complete([*members[cell.composition], added_member])
            data = DataRefs(cell.train_data, cell.eval_data, cell.validation_data)
            added.append(plan.make_cell(setup, wanted, cell.seed, cell.model, data))
    return tuple(added)
