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
        """The phase is about to start."""

    @abstractmethod
    def leave(self, phase: str) -> dict[str, float | int | None]:
        """The phase has ended: its figures, units in their names (`energy_joules`)."""
