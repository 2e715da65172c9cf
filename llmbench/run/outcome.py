"""How a worker ended: its record, or one made for it; and what Ctrl-C does."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from llmbench import exit_status, redact
from llmbench.errors import StoreError
from llmbench.job import CANNOT_WRITE, Job
from llmbench.launcher import Event, Launcher
from llmbench.record import Record, Status
from llmbench.stop import Stop
from llmbench.store import Store
from llmbench.stored import read_record

LOG_LINES = 20
NOISE = "Extension modules:"
"""How the line starts that Python ends a crash with: thousands of characters, of no use here."""
CRASHES = frozenset(
    getattr(signal, name)
    for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
    if hasattr(signal, name)
)
"""Signals that a process brings on itself: such an end is a failure of its cell."""
HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""What the closing of a terminal sends; Windows has none."""
INTERRUPT = "interrupt"
"""The event of a first Ctrl-C, upon which the running cell is asked to end."""


class Interrupted(Exception):
    """The user ended the comparison; what was measured is in the store."""

    def __init__(self, store: Store) -> None:
        super().__init__("interrupted")
        self.store = store


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
    if status in (exit_status.INTERRUPTED, -signal.SIGINT):
        return "interrupted", "Interrupted by the user."
    if status == CANNOT_WRITE:
        return "interrupted", "The worker could not write its record: make room on the disk."
    if status == -signal.SIGKILL:
        return "killed", (
            "The worker was killed (SIGKILL), as the system does when memory runs out: "
            "try a smaller --batch-size or --seq-len."
        )
    if status < 0:
        name = signal.strsignal(-status) or "an unknown signal"
        return (
            "failed" if -status in CRASHES else "killed",
            f"The worker ended by signal {-status} ({name}): its log has its last words.",
        )
    return "failed", f"The worker ended with exit status {status}: its log has its last words."


def last_lines(log: Path) -> str | None:
    """The end of the worker's log."""
    try:
        lines = log.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    lines = [line for line in lines if not line.startswith(NOISE)]
    return redact.text("\n".join(lines[-LOG_LINES:])) or None


@contextlib.contextmanager
def interruptions(
    launcher: Launcher, on_event: Callable[[Event], None] = lambda event: None
) -> Iterator[Callable[[], bool]]:
    """While the block runs, Ctrl-C or SIGTERM ends the running cell; a second one, everything.

    So does a terminal that is closed, which may say so twice, unless it is to be outlived (nohup).
    Tells `on_event`, from within the signal handler: no place to write to a file. Hands out a
    function that tells whether there was one.
    """
    count = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal count
        if number == HANGUP and count:
            return
        count += 1
        if count > 1:
            launcher.close()
            raise Stop
        on_event({"event": INTERRUPT})
        launcher.interrupt()

    ends = [signal.SIGINT, signal.SIGTERM]
    if HANGUP and signal.getsignal(HANGUP) != signal.SIG_IGN:
        ends.append(HANGUP)
    before = {s: signal.signal(s, handle) for s in ends}
    try:
        yield lambda: count > 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
