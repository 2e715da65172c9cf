"""Process trees: ending all of one, and with one; and keeping libraries quiet."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
from collections.abc import Iterator
from typing import TextIO

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def end(leader: int) -> None:
    """End a process, its group, and whatever it started, at once."""
    import psutil

    try:
        first = psutil.Process(leader)
        family = [first, *first.children(recursive=True)]
    except psutil.Error:
        family = []
    end_group(leader)
    for process in family:  # those that are in groups of their own
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid():
                process.kill()


def end_group(leader: int) -> None:
    """End a process and its group, at once; also the group of a leader that has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(leader, signal.SIGTERM)


def adopt_orphans() -> None:
    """Have whatever this process's descendants leave behind become its own children, on Linux."""
    _control(PR_SET_CHILD_SUBREAPER, 1)


def end_children() -> None:
    """End every descendant of this process, at once."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel end this process when its parent ends, where there is such a kernel.

    Given the parent's process id, a parent that has ended already counts as well.
    """
    _set_death_signal(signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def watch_over(parent: int) -> None:
    """Have this process and all that it started end when its parent ends; its group with itself.

    On Linux, where a child sees to that, however either of them ends.
    """
    leader = os.getpid()
    if not hasattr(os, "pidfd_open") or os.fork():
        return
    os.setsid()  # out of the group that is to end
    with contextlib.suppress(OSError):  # one has ended already
        ends = [os.pidfd_open(leader), os.pidfd_open(parent)]
        if ends[1] in select.select(ends, [], [])[0]:
            end(leader)  # while it is there to tell which processes are its own
    end_group(leader)
    os._exit(0)


def outlive_parent() -> None:
    """Take that back, for a process that has to tidy up when its parent has ended."""
    _set_death_signal(0)


def _set_death_signal(number: int) -> None:
    _control(PR_SET_PDEATHSIG, number)


def _control(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Have what is printed go to standard error, also by a child process or past `sys.stdout`.

    Afterwards both streams are what they were, even if the block has closed them.
    """
    with _restored("stdout", 1), _restored("stderr", 2):
        with contextlib.suppress(OSError):  # there is no standard error: leave it where it was
            os.dup2(2, 1)
        yield


@contextlib.contextmanager
def _restored(name: str, number: int) -> Iterator[None]:
    stream: TextIO | None = getattr(sys, name)
    _flush(stream)
    try:
        kept = os.dup(number)
    except OSError:  # llmbench was started without it
        yield
        return
    try:
        yield
    finally:
        _flush(stream)
        # What the block put there goes first: where it is the last to hold it, it closes our file.
        setattr(sys, name, None)
        os.dup2(kept, number)
        os.close(kept)
        if not _usable(stream):
            stream = _opened(number)
            setattr(sys, f"__{name}__", stream)
        setattr(sys, name, stream)


def _flush(stream: TextIO | None) -> None:
    with contextlib.suppress(OSError, ValueError):  # a full disk, a closed stream
        if stream is not None:
            stream.flush()


def _usable(stream: TextIO | None) -> bool:
    try:
        return stream is None or not stream.closed
    except ValueError:  # its buffer was taken away
        return False


def _opened(number: int) -> TextIO:
    return open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
