"""A worker's job: what to run, and where its inputs and its answer are on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Literal

from llmbench.machine import Environment
from llmbench.record.record import Cell, Frozen, MemoryParts, Parameters, Save

ARTIFACT = "artifact"
"""The folder in a worker's own in which it saves what was trained."""
CANNOT_WRITE = 5
"""Exit status of a worker that cannot write its record."""


class Job(Frozen):
    """The content of `cell.json`. JSON in, JSON out: nothing else passes between the processes."""

    kind: Literal["cell"] = "cell"
    cell: Cell
    environment: Environment
    model_source: str
    """Folder or hub id; with random weights, the folder of the architecture's `config.json`."""
    tokenizer_source: str | None = None
    """Folder or hub id; None where the inputs are random tokens."""
    train_file: Path | None = None
    """Examples as `llmbench.source.data.lines` writes them; None for random tokens."""
    eval_file: Path | None = None
    evaluates: bool = True
    """Whether it goes on to be evaluated; the untrained model was, if it was with another seed."""
    validation_file: Path | None = None
    """Examples on which the loss is taken while training; None where there are none."""
    record_file: Path
    """Where the record goes; written after every phase, so that a kill loses none before it."""
    work_folder: Path
    """The worker's own folder, to write artifacts into; the parent removes it."""
    save: Save = "no"
    """Whether what was trained is kept, and how."""
    plugin_files: tuple[Path, ...] = ()
    """Modules of `--plugin`, which the worker includes."""
    attempt: int = 1
    """How often the cell is tried, this time included."""
    visible_gpus: str | None = None
    """The GPUs that the worker may use, as CUDA_VISIBLE_DEVICES names them; None for all that it
    sees."""
    threads: int | None = None
    """With how many threads the processor computes; None for as many as torch takes."""
    elsewhere: bool = False
    """Whether the worker runs on another machine: the record then tells of that one."""
    limit_seconds: float | None = None
    """After how long the worker writes every thread's stack to its log: it is then ended."""
    started_at: float
    """When the launcher was called, as `time.time()`."""

    @property
    def file(self) -> Path:
        """Where the worker reads it."""
        return self.work_folder / "cell.json"

    @property
    def artifact(self) -> Path:
        """Where the worker saves what was trained; the parent keeps it, if it is still there."""
        return self.work_folder / ARTIFACT


MOST_SEQUENCES = 1024
"""Where the search for the largest micro-batch ends; speed has long stopped growing."""


class EstimateJob(Frozen):
    """Cells whose memory is to be predicted: nothing of them is run, and no weights are read."""

    kind: Literal["estimate"] = "estimate"
    cells: tuple[Cell, ...]
    environment: Environment
    """Where they would run; it need not be this machine."""
    model_source: str
    """Folder or hub id of the architecture's `config.json`."""
    tokenizer_source: str | None = None
    train_file: Path | None = None
    """Examples, with the tokenizer, where the micro-batches are as long as these make them; None
    where every sequence is full."""
    answer_file: Path
    """Where the `llmbench.workers.job.Answer` goes."""
    plugin_files: tuple[Path, ...] = ()
    """Modules of `--plugin`, which the worker includes."""
    budget_bytes: int | None = None
    """If given, the largest micro-batch and the longest sequence that stay within it are sought."""
    processes: int = 1
    """How many processes share the work, at most; they are forked once all is imported."""
    limit_seconds: ClassVar[None] = None
    """A prediction may take as long as it takes: it is no cell."""

    @property
    def file(self) -> Path:
        """Where the worker reads it."""
        return self.answer_file.with_name("estimate.json")


def read(text: str) -> Job | EstimateJob:
    """The job in a file's text."""
    kind = EstimateJob if json.loads(text)["kind"] == "estimate" else Job
    return kind.model_validate_json(text)


class Estimate(Frozen):
    """What is predicted of one cell, or why nothing is."""

    parts: MemoryParts | None = None
    """The train phase's peak of allocated memory, taken apart."""
    reason: str | None = None
    """Why nothing is predicted, if so."""
    parameters: Parameters | None = None
    base_parameters: int | None = None
    """Elements of the base model, without what the strategies add."""
    loaded_bytes: float | None = None
    """Bytes of a parameter in the type that it is loaded in: 2 for bf16, 0.5 for 4 bits."""
    largest_batch_size: int | None = None
    """Sequences of a micro-batch that stay within the budget, 0 where not even one does; None
    where it was not sought."""
    longest_seq_len: int | None = None
    """Tokens of a sequence that stay within the budget, likewise."""


class Answer(Frozen):
    """An estimate for every cell of the job, by the cell's id."""

    cells: dict[str, Estimate]
