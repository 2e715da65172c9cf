"""How a worker ended: its record, or one made for it."""

from __future__ import annotations

import signal
from pathlib import Path

from llmbench import errors, redact
from llmbench.errors import StoreError
from llmbench.record.record import Record, Status
from llmbench.storage.read import read_record
from llmbench.workers.job import CANNOT_WRITE, Job

LOG_LINES = 20
MOST_WORDS = 2**20
"""Characters that its last lines are looked for in."""
NOISE = "Extension modules:"
"""How the line starts that Python ends a crash with: thousands of characters, of no use here."""
CRASHES = frozenset(
    getattr(signal, name)
    for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
    if hasattr(signal, name)
)
"""Signals that a process brings on itself: such an end is a failure of its cell."""


def record_of(job: Job, status: int, log: Path) -> Record:
    """The record that the worker left; where it died before its end, what is known of that."""
    try:
        record = read_record(job.record_file)
    except StoreError:
        record = Record(cell=job.cell, status="running", environment=job.environment)
    if record.status != "running":
        return record
    ended, reason = death(status)
    words = last_lines(log)
    if ended == "failed" and status >= 0 and words:
        reason = f"The worker ended with exit status {status}: {words.splitlines()[-1].strip()}"
    update = {"status": ended, "reason": reason, "traceback": words}
    return record.model_copy(update=update)


def death(status: int) -> tuple[Status, str]:
    """What an exit status says of a worker that left no finished record."""
    if status in (errors.INTERRUPTED, -signal.SIGINT):
        return "interrupted", "Interrupted by the user."
    if status == CANNOT_WRITE:
        return "interrupted", "The worker could not write its record: make room on the disk."
    if status == -signal.SIGKILL:
        return "killed", (
            "The worker was killed (SIGKILL), as the system does when memory runs out: "
            "try a smaller --batch-size or --seq-len."
        )
    if status < 0:
        return (
            "failed" if -status in CRASHES else "killed",
            f"The worker ended by signal {-status} ({signal_name(-status)}): "
            "its log has its last words.",
        )
    return "failed", f"The worker ended with exit status {status}: its log has its last words."


def signal_name(number: int) -> str:
    """What the system calls a signal; a launcher may give a number that is none."""
    try:
        return signal.strsignal(number) or "an unknown signal"
    except (ValueError, OverflowError):
        return "an unknown signal"


def last_lines(log: Path) -> str | None:
    """The end of the worker's log."""
    try:
        text = log.read_text("utf-8", errors="replace")[-MOST_WORDS:]
    except OSError:
        return None
    # All of it: of what the last lines hold, the lines before may say that it is a secret.
    lines = [ln for ln in redact.text(text).splitlines() if not ln.startswith(NOISE)]
    return "\n".join(lines[-LOG_LINES:]) or None
