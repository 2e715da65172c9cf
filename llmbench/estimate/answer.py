"""What a worker answers to an `EstimateJob`."""

from __future__ import annotations

from llmbench.record import MemoryParts, Parameters, Part


class Estimate(Part):
    """What is predicted of one cell, or why nothing is."""

    parts: MemoryParts | None = None
    """The train phase's peak of allocated memory, taken apart."""
    reason: str | None = None
    """Why nothing is predicted, if so."""
    parameters: Parameters | None = None


class Answer(Part):
    """An estimate for every cell of the job, by the cell's id."""

    cells: dict[str, Estimate]
