"""The host's memory: how much of it this process may use, and whether the system took any back."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CGROUPS = Path("/sys/fs/cgroup")
LIMIT_AND_USE = (("max", "current"), ("limit_in_bytes", "usage_in_bytes"))
"""What a control group's files of memory are called, in the second version and in the first."""
UNLIMITED = 2**60
"""From here on a limit is none."""


class Room(NamedTuple):
    """Memory that a process may use, in bytes."""

    free_bytes: int
    total_bytes: int


def room() -> Room:
    """What is free, and what there is at all, under the tightest limit on this process."""
    import psutil

    memory = psutil.virtual_memory()
    rooms = [Room(int(memory.available), int(memory.total)), *_limits()]
    return Room(min(r.free_bytes for r in rooms), min(r.total_bytes for r in rooms))


def kills() -> int:
    """How many processes the system has ended so far for lack of memory; 0 where it keeps none."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _limits() -> Iterator[Room]:
    """The room under each limit that there is: of the address space, and of the control group."""
    if sys.platform != "win32":
        import resource

        import psutil

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            yield Room(max(0, limit - int(psutil.Process().memory_info().vms)), limit)
    for folder in _groups():
        for names in LIMIT_AND_USE:
            most, used = (_number(folder / f"memory.{name}") for name in names)
            if most is not None and used is not None and most < UNLIMITED:
                yield Room(max(0, most - used), most)


def _groups() -> Iterator[Path]:
    """Where this process's control group for memory may be found, outermost last."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds == "" or "memory" in kinds.split(","):
                base = CGROUPS / "memory" if kinds else CGROUPS
                yield base / path.lstrip("/")
                yield base  # as seen from within a container


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None
