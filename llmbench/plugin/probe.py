"""A probe: something that is measured over each phase of a cell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar


class Probe(ABC):
    """Base class of every probe. Created in the worker, entered and left around each phase."""

    id: ClassVar[str]
    """As it stands in records."""
    summary: ClassVar[str]
    """One line for `llmbench list probes`."""

    @abstractmethod
    def enter(self, phase: str) -> None:
        """The phase is about to start. It may name `device` as well: `cpu` or `cuda:0`."""

    def after_step(self, number: int) -> None:  # noqa: B027
        """Training step `number` has ended, counted from 1, and its clock has stopped."""

    @abstractmethod
    def leave(self, phase: str) -> dict[str, float | int | None]:
        """The phase has ended: its figures, units in their names (`energy_joules`).

        They are columns of results.csv and results.json (`power.train.energy_joules`), and those of
        training are in the report's table, too.
        """
