"""What became of a worker: the final record of its cell, or the answer to an estimate."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from llmbench import errors, machine, plugin, redact
from llmbench.errors import StoreError, UserError
from llmbench.record.record import MemoryParts, Phase, Record, Shortage, Status
from llmbench.storage.read import read_record
from llmbench.units import size, spoken_duration
from llmbench.workers.job import CANNOT_WRITE, Answer, EstimateJob, Job

LOG_LINES = 20
"""How much of the end of a log a record keeps."""
MOST_CHARACTERS = 2**20
"""How much of a log its last lines are looked for in."""
NOISE = "Extension modules:"
"""How the line starts that Python ends a crash with: thousands of characters, of no use here."""
STACKS = "Timeout ("
"""How the stacks begin that a worker writes to its log, see `faulthandler`."""
MOST_STACKS = 8000
"""Characters kept of them in the record."""
CRASHES = frozenset(
    getattr(signal, name)
    for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
    if hasattr(signal, name)
)
"""Signals that a process brings on itself: such an end is a failure of its cell."""
INTERRUPTED = "Interrupted by the user."
"""The reason of a cell that the user ended."""
MEMORIES = {"cuda": "The GPU's memory", "host": "The host's memory"}


@dataclass(frozen=True)
class Outcome:
    """How a worker ended, as it looked from outside."""

    status: int
    """Exit status as `subprocess` gives it: negative for a signal."""
    log: Path
    """What it printed."""
    start_seconds: float | None = None
    """From the launcher's call until its first phase; None where it did not come to one."""
    limit_seconds: float | None = None
    """The limit that it exceeded, if it did."""
    interrupted: bool = False
    """Whether it was asked to end, as the user had asked for that."""
    out_of_memory: bool = False
    """Whether the system ended some process meanwhile for lack of memory."""


@dataclass(frozen=True)
class Ending:
    """What the record says of how the cell ended."""

    status: Status
    reason: str | None
    traceback: str | None = None
    shortage: Shortage | None = None


class EstimateError(UserError):
    """Memory that could not be predicted: the worker ended before its answer."""


def record_of(
    job: Job,
    outcome: Outcome,
    predicted: MemoryParts | None = None,
    instead: Callable[[Phase | None, Shortage], str | None] = lambda phase, shortage: None,
) -> Record:
    """The final record of a cell whose worker has ended: what that left, and how it ended.

    `predicted` is what its peak was expected to be made of; `instead` names a composition that is
    predicted to fit where this one ran out of memory in a phase, if there is any.
    """
    left = left_behind(job)
    ending = judged(left, outcome)
    if ending.status == "oom" and ending.shortage:
        fits = instead(left.phase, ending.shortage)
        shortage = ending.shortage.model_copy(update={"instead": fits})
        ending = replace(ending, reason=advice(left.phase, shortage), shortage=shortage)
    known = {"start_seconds": outcome.start_seconds, "predicted": predicted}
    return left.model_copy(update=known | vars(ending))


def answer_of(job: EstimateJob, outcome: Outcome) -> Answer:
    """The worker's answer; EstimateError, with its last words, where there is none."""
    try:
        return Answer.model_validate_json(job.answer_file.read_text("utf-8"))
    except (OSError, ValueError):
        text = last_lines(outcome.log) or death(outcome.status).reason or ""
        last = text.splitlines()[-1].strip().rstrip(".")
        raise EstimateError(
            f"Memory could not be predicted ({last}): "
            "'llmbench doctor' says what this machine lacks."
        ) from None


def left_behind(job: Job) -> Record:
    """The record as the worker last wrote it; where it wrote none, what is known of the cell."""
    try:
        return read_record(job.record_file)
    except StoreError:
        return Record(cell=job.cell, status="running", environment=job.environment)


def judged(left: Record, outcome: Outcome) -> Ending:
    """How the cell ended: what its worker found before that, or what made it end."""
    ending = Ending(left.status, left.reason, left.traceback, left.shortage)
    if left.status == "running":
        ending = died(outcome)
    if ending.status not in ("interrupted", "killed", "failed"):
        return ending
    if outcome.limit_seconds is not None:
        reason = (
            f"The run took longer than {spoken_duration(outcome.limit_seconds)}: see in its log "
            "where it was, or give it more with --cell-timeout."
        )
        return Ending("timeout", reason, stacks(outcome.log))
    if ending.status == "killed" and outcome.out_of_memory:
        shortage = Shortage(where="host", total_bytes=machine.room().total_bytes)
        return replace(ending, status="oom", shortage=shortage)
    if ending.status == "failed" and outcome.interrupted:
        # Whatever it said: it failed because it was made to stop in the middle of something.
        return replace(ending, status="interrupted", reason=INTERRUPTED)
    return ending


def died(outcome: Outcome) -> Ending:
    """The end of a worker that left no finished record."""
    ending, text = death(outcome.status), last_lines(outcome.log)
    if ending.status == "failed" and outcome.status >= 0 and text:
        last = text.splitlines()[-1].strip()
        reason = f"The worker ended with exit status {outcome.status}: {last}"
        ending = replace(ending, reason=reason)
    return replace(ending, traceback=text)


def death(status: int) -> Ending:
    """What an exit status says of a worker that left no finished record."""
    if status in (errors.INTERRUPTED, -signal.SIGINT):
        return Ending("interrupted", INTERRUPTED)
    if status == CANNOT_WRITE:
        reason = "The worker could not write its record: make room on the disk."
        return Ending("interrupted", reason)
    if status == -signal.SIGKILL:
        return Ending(
            "killed",
            "The worker was killed (SIGKILL), as the system does when memory runs out: "
            "try a smaller --batch-size or --seq-len.",
        )
    if status < 0:
        return Ending(
            "failed" if -status in CRASHES else "killed",
            f"The worker ended by signal {-status} ({signal_name(-status)}): "
            "its log has its last words.",
        )
    reason = f"The worker ended with exit status {status}: its log has its last words."
    return Ending("failed", reason)


def signal_name(number: int) -> str:
    """What the system calls a signal; a launcher may give a number that is none."""
    try:
        return signal.strsignal(number) or "an unknown signal"
    except (ValueError, OverflowError):
        return "an unknown signal"


def last_lines(log: Path) -> str | None:
    """The end of the worker's log."""
    text = (_read(log) or "")[-MOST_CHARACTERS:]
    # All of it: of what the last lines hold, the lines before may say that it is a secret.
    lines = [ln for ln in redact.text(text).splitlines() if not ln.startswith(NOISE)]
    return "\n".join(lines[-LOG_LINES:]) or None


def stacks(log: Path) -> str | None:
    """Every thread's stack as the worker wrote it to its log when its time was over."""
    text = _read(log) or ""
    start = text.rfind(STACKS)
    return None if start < 0 else redact.text(text[start:])[-MOST_STACKS:]


def _read(log: Path) -> str | None:
    try:
        return log.read_text("utf-8", errors="replace")
    except OSError:
        return None


def advice(phase: Phase | None, shortage: Shortage) -> str:
    """The reason of a cell that ran out of memory: what there was, and what would need less."""
    way_out = less_memory(phase)
    if shortage.instead:
        way_out = f"take {shortage.instead}, which is predicted to fit, or {way_out}"
    return f"{what_ran_out(shortage)}: {way_out}."


def less_memory(phase: Phase | None) -> str:
    """What to try where the memory ran out in that phase; strategies declare what they save."""
    if phase == "evaluate":
        return "try a smaller --eval-batch-size or --max-new-tokens"
    installed = plugin.registry()
    lighter = installed.savers("weights")
    if phase in ("load", "prepare"):
        tries = f"one of {', '.join(lighter)}, or a smaller model" if lighter else "a smaller model"
        return f"the weights alone are too much: try {tries}"
    methods = ", ".join([*installed.savers("activations"), *lighter])
    others = f", or one of {methods}" if methods else ""
    return f"try a smaller --batch-size or --seq-len for all methods{others}"


def what_ran_out(shortage: Shortage) -> str:
    """`The GPU's memory ran out when 2.0 GiB were asked for and 400 MiB of 8.0 GiB were free`."""
    asked, free, total = (
        None if b is None else size(b)
        for b in (shortage.asked_bytes, shortage.free_bytes, shortage.total_bytes)
    )
    of = f" of {total}" if total else ""
    facts = (asked and f"{asked} were asked for", free and f"{free}{of} were free")
    when = " and ".join(filter(None, facts))
    return f"{MEMORIES[shortage.where]} ran out{f' when {when}' if when else ''}"
