"""What is said while cells run: by a worker, by its launcher, by the comparison; and who hears it.

A worker writes each event as a line of JSON to its standard output. `line` writes one and `read`
reads it; between them, in either process, an event is one of the frozen models below.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from llmbench.record.comparison import Plan
from llmbench.record.record import Cell, Phase, Record


class Said(BaseModel):
    """Base of every event. `event` is its name in a line of JSON."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Sentence(Said):
    """Base of the events that are a sentence or two for a person."""

    reason: str


class Started(Said):
    """The worker has imported what all cells need: the clock of the cell's limit runs from here."""

    event: Literal["start"] = "start"


class PhaseBegun(Said):
    """A phase of the cell begins; the one before it has ended."""

    event: Literal["phase"] = "phase"
    phase: Phase


class StepTaken(Said):
    """An optimiser step was taken, `step` of `steps`."""

    event: Literal["step"] = "step"
    step: int
    steps: int
    loss: float | None
    """None for a loss that is not a number."""
    tokens_per_second: float
    memory_bytes: int | None = None
    """The phase's peak so far."""


class LossValidated(Said):
    """The loss on the validation data after so many steps."""

    event: Literal["validation"] = "validation"
    step: int
    loss: float | None


class Generated(Said):
    """Predictions of `done` of `total` examples are there."""

    event: Literal["generate"] = "generate"
    done: int
    total: int


class SizeTried(Said):
    """The search for what fits a budget tries this size."""

    event: Literal["fit"] = "fit"
    size: int


class Estimated(Said):
    """The memory of `done` of `total` cells is predicted."""

    event: Literal["estimate"] = "estimate"
    done: int
    total: int


class Ready(Said):
    """The process that cells are forked from has imported what they need."""

    event: Literal["ready"] = "ready"
    cuda: bool = False
    initialised_by: str | None = None
    """The package that initialised CUDA when it was imported: then no cell can be forked."""


class Forked(Said):
    """A worker was forked, and takes signals from now on. For the launcher alone."""

    event: Literal["child"] = "child"
    pid: int


class Exited(Said):
    """The forked worker has ended with this status. For the launcher alone."""

    event: Literal["exit"] = "exit"
    status: int


class Notice(Sentence):
    """Something to know of how cells run; the report shows it too. A launcher may say it."""

    event: Literal["notice"] = "notice"


class Waiting(Sentence):
    """A directory or a GPU is in use, and its end is waited for."""

    event: Literal["waiting"] = "waiting"


class Stopped(Sentence):
    """The comparison stops before its last cell."""

    event: Literal["stop"] = "stop"


class Predicting(Said):
    """Memory is being predicted before the first cell: `done` of `total` cells."""

    event: Literal["predicting"] = "predicting"
    done: int
    total: int


class Unpredicted(Sentence):
    """A prediction of memory failed; the cells run all the same."""

    event: Literal["unpredicted"] = "unpredicted"


class Interrupted(Said):
    """The user asked for the end, once: the running cell is asked to end."""

    event: Literal["interrupt"] = "interrupt"


Event = (
    Started
    | PhaseBegun
    | StepTaken
    | LossValidated
    | Generated
    | SizeTried
    | Estimated
    | Ready
    | Forked
    | Exited
    | Notice
    | Waiting
    | Stopped
    | Predicting
    | Unpredicted
    | Interrupted
)
"""Whatever can be said."""
Say = Callable[[Event], None]
"""Hears an event, or sends it to whoever does."""


def read(line: bytes) -> Event | None:
    """The event of a line; None for one that is none, such as what a library slipped in."""
    try:
        return _reader().validate_json(line)
    except ValidationError:
        return None


def line(event: Event) -> bytes:
    """The event as a line of JSON, its end included."""
    return event.model_dump_json().encode() + b"\n"


@cache
def _reader() -> TypeAdapter[Event]:
    return TypeAdapter(Annotated[Event, Field(discriminator="event")])


class Listener(Protocol):
    """Is told how a comparison goes; `llmbench.output.terminal.views` shows it to a person."""

    def start(self, plan: Plan, root: Path) -> None:
        """The plan is made and the directory is there."""

    def replan(self, plan: Plan) -> None:
        """The plan has grown: what was measured decided what else is to run."""

    def cell(self, cell: Cell) -> None:
        """A cell is about to run."""

    def event(self, event: Event, cell: Cell | None = None) -> None:
        """Something was said, by the worker of a running cell or otherwise."""

    def record(self, record: Record, kept: bool) -> None:
        """A cell has its record; `kept` if it had it before."""
