"""What a worker is told: the cell, and where its inputs and its record are on this machine."""

from __future__ import annotations

from pathlib import Path

from llmbench.environment import Environment
from llmbench.record import Cell, Part


class Job(Part):
    """The content of `cell.json`. JSON in, JSON out: nothing else passes between the processes."""

    cell: Cell
    environment: Environment
    model_source: str
    """Folder or hub id; with random weights, the folder of the architecture's `config.json`."""
    tokenizer_source: str | None = None
    """Folder or hub id; None where the inputs are random tokens."""
    train_file: Path | None = None
    """Examples as `llmbench.dataset.lines` writes them; None for random tokens."""
    eval_file: Path | None = None
    record_file: Path
    """Where the record goes; written after every phase, so that a kill loses none before it."""
    work_folder: Path
    """The worker's own folder, to write artifacts into; the parent removes it."""
    attempt: int = 1
    """How often the cell is tried, this time included."""
    limit_seconds: float | None = None
    """After how long the worker writes every thread's stack to its log: it is then ended."""
    started_at: float
    """When the launcher was called, as `time.time()`."""
