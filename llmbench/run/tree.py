"""A process and all that it started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal

PR_SET_PDEATHSIG = 1


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
            process.kill()


def end_group(leader: int) -> None:
    """End a process and its group, at once; also the group of a leader that has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(leader, signal.SIGTERM)


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel end this process when its parent ends, where there is such a kernel.

    Given the parent's process id, a parent that has ended already counts as well.
    """
    _set_death_signal(signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def take_group_along() -> None:
    """Have this process's group end with it, however it ends: a child sees to that, on Linux."""
    leader = os.getpid()
    if not hasattr(os, "pidfd_open") or os.fork():
        return
    os.setsid()  # out of the group that is to end
    with contextlib.suppress(OSError):  # it has ended already
        select.select([os.pidfd_open(leader)], [], [])
    end_group(leader)
    os._exit(0)


def outlive_parent() -> None:
    """Take that back, for a process that has to tidy up when its parent has ended."""
    _set_death_signal(0)


def _set_death_signal(number: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
