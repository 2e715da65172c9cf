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
    loaded_bytes: float | None = None
    """Bytes of a parameter in the type that it is loaded in: 2 for bf16, 0.5 for 4 bits."""
    largest_batch_size: int | None = None
    """Sequences of a micro-batch that stay within the budget, 0 where not even one does; None
    where it was not sought."""
    longest_seq_len: int | None = None
    """Tokens of a sequence that stay within the budget, likewise."""


class Answer(Part):
    """An estimate for every cell of the job, by the cell's id."""

    cells: dict[str, Estimate]
