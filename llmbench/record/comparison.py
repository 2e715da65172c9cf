"""A comparison: its plan, its header, and its records as they were read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from llmbench.machine import Environment
from llmbench.record.record import SCHEMA_VERSION, Cell, Record
from llmbench.record.timed import Timed


class Planned(BaseModel):
    """A cell, and why it will not run, if it will not: skipped, or failed before it starts."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    cell: Cell
    skip: str | None = None
    broken: str | None = None


class Plan(BaseModel):
    """The cells in the order in which they run."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    cells: tuple[Planned, ...]
    to_come: int = 0
    """Tries of learning rates that are to come at least: which, the tries before them decide."""
    repeats: int = 0
    """Cells to come that run one of these once more: which, their speeds decide."""


class Header(BaseModel):
    """What `comparison.json` holds: the configuration, where it came from, and the plan."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    created_at: str
    command: str
    configuration: dict[str, Any]
    origins: dict[str, str]
    environment: Environment
    plan: Plan
    data_fields: dict[str, str] = {}
    """Which fields of the data were read as input and target."""
    notices: tuple[str, ...] = ()
    """What the reader should know of how the comparison was set up."""
    warnings: tuple[str, ...] = ()
    """What bears on every figure: how the data were read, and what they share."""
    timed: Timed | None = None
    """Of a comparison with a time budget: what was planned, and what was given up."""


@dataclass(frozen=True)
class Comparison:
    """A comparison as it was read: its header and its records, in the order of the plan."""

    header: Header
    records: tuple[Record, ...]
    inputs: dict[str, str]
    """Input of each evaluated example, by id."""
    problems: tuple[str, ...] = ()
    """Files that could not be read, each in a sentence."""

    @property
    def planned(self) -> tuple[Record, ...]:
        """The records of the plan's cells: any others are of an earlier configuration."""
        ids = {p.cell.id for p in self.header.plan.cells}
        return tuple(r for r in self.records if r.cell.id in ids)

    @property
    def equal(self) -> Comparison:
        """The cells with equal batches alone: those that are held against each other."""
        return self._only(lambda cell: not (cell.fit or cell.tuning or cell.repeat or cell.pilot))

    @property
    def fitted(self) -> Comparison:
        """The cells that stretch their batches to a memory budget alone."""
        return self._only(lambda cell: bool(cell.fit) and not cell.tuning)

    @property
    def tried(self) -> Comparison:
        """The cells that only try a learning rate."""
        return self._only(lambda cell: cell.tuning)

    @property
    def repeats(self) -> tuple[Record, ...]:
        """The cells that ended well and only show by how much a cell differs from itself."""
        return tuple(r for r in self.records if r.cell.repeat and r.status == "ok")

    @property
    def reported(self) -> Comparison:
        """All other cells: those that are results."""
        return self._only(lambda cell: not (cell.tuning or cell.repeat or cell.pilot))

    def _only(self, wanted: Callable[[Cell], bool]) -> Comparison:
        cells = tuple(p for p in self.header.plan.cells if wanted(p.cell))
        return replace(
            self,
            header=self.header.model_copy(update={"plan": Plan(cells=cells)}),
            records=tuple(r for r in self.records if wanted(r.cell)),
        )
