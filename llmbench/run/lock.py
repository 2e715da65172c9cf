"""Locks against a second llmbench on one directory or one GPU.

The kernel holds them for as long as their holder lives, however it ends: none is ever stale. What
stands in the file tells people who holds it and decides nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from llmbench.config.setup import Setup
from llmbench.errors import BusyError
from llmbench.machine import GpuFacts, gpu_facts, usable_cpus, visible_gpus
from llmbench.record.events import Say, Waiting
from llmbench.run import lanes
from llmbench.text import plural
from llmbench.units import size

SHARED = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
"""Where all users of the machine find a GPU's lock, whatever their TMPDIR."""


@contextlib.contextmanager
def directory(root: Path, wait: bool, listen: Say) -> Iterator[None]:
    """Hold a comparison's directory, which has to be there; BusyError if another process does."""
    instead = "wait for it to end (--wait), or name another directory with --output"
    with _held(root / ".lock", f"'{root}'", instead, wait, listen):
        yield


@contextlib.contextmanager
def device(setup: Setup, listen: Say) -> Iterator[None]:
    """Hold the GPUs that cells will run on, if any; BusyError if another llmbench does.

    With --shared-gpu nobody holds them: every cell is marked then.
    """
    if setup.environment.device != "cuda" or setup.config.shared_gpu:
        yield
        return
    instead = "wait for it to end (--wait), or choose another with CUDA_VISIBLE_DEVICES"
    with contextlib.ExitStack() as locks:
        for gpu in lanes.used(setup, gpu_facts()):
            path, what = SHARED / f"llmbench-{gpu.uuid}.lock", f"The GPU '{gpu.name}'"
            locks.enter_context(_held(path, what, instead, setup.config.wait, listen))
        yield


@contextlib.contextmanager
def _held(path: Path, what: str, instead: str, wait: bool, listen: Say) -> Iterator[None]:
    file = _open(path)
    if file is None:
        yield
        return
    try:
        if not _taken(file, wait=False):
            busy = f"{what} is in use by {_holder(file)}"
            if not wait:
                raise BusyError(f"{busy}: {instead}.")
            listen(Waiting(reason=f"{busy}: waiting for it to end."))
            _taken(file, wait=True)
        with _signed(file):
            yield
    finally:
        os.close(file)


def _open(path: Path) -> int | None:
    """The lock's file, made if need be; None where there can be no lock."""
    if sys.platform == "win32":
        return None
    flags = os.O_RDWR | os.O_NOFOLLOW
    with contextlib.suppress(OSError):
        # Without O_CREAT first: some kernels forbid it for somebody else's file in /tmp.
        return os.open(path, flags)
    with contextlib.suppress(OSError):
        file = os.open(path, flags | os.O_CREAT, 0o666)
        with contextlib.suppress(OSError):
            os.fchmod(file, 0o666)  # for every user, whatever the umask
        return file
    return None


def _taken(file: int, wait: bool) -> bool:
    """Whether the lock is ours now; a file system that knows no locks has none to refuse."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def _signed(file: int) -> Iterator[None]:
    """Have the file tell, while the block runs, who holds the lock and since when."""
    since = datetime.now().isoformat(sep=" ", timespec="seconds")
    _write(file, json.dumps({"pid": os.getpid(), "since": since}).encode())
    try:
        yield
    finally:
        _write(file, b"")


def _write(file: int, content: bytes) -> None:
    with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
        os.truncate(file, 0)
        os.pwrite(file, content, 0)


def _holder(file: int) -> str:
    """Who holds the lock, as far as the file tells."""
    try:
        said = json.loads(os.pread(file, 1000, 0))
        return f"another llmbench (process {int(said['pid'])}, since {said['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another llmbench"


AT_REST = 1.5
"""The load up to which no machine counts as busy: this program makes some of it."""
ALLOWANCE_BYTES = 2**30
"""What a driver and a desktop take of an idle GPU."""
WAYS_OUT = (
    "wait until they have ended, choose another with CUDA_VISIBLE_DEVICES, "
    "or run beside them with --shared-gpu, which marks every cell"
)


def check(setup: Setup) -> tuple[str, ...]:
    """Notices of who else uses the machine; BusyError if somebody does the GPU, unless allowed.

    Of machines elsewhere nothing is known.
    """
    return () if lanes.elsewhere(setup) else (*busy(), *neighbours(setup))


def busy() -> tuple[str, ...]:
    """A notice if other programs keep the processor busy.

    Threads that wait for a core make a step longer by far more than the share of the cores that is
    taken, and those of a small model on a GPU as well.
    """
    load, cores = high_load(), os.cpu_count() or 1
    if load is None:
        return ()
    return (
        f"The machine was busy before the first run: a load of {load:.1f} on {cores} "
        f"core{'' if cores == 1 else 's'}. Steps take longer then, and scatter: wait until other "
        "programs have ended for speeds that can be told apart.",
    )


def high_load() -> float | None:
    """The load of a machine that was kept busy in the last minute; None where it was at rest."""
    try:
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
    except (AttributeError, OSError):
        return None
    return load if load > max(AT_REST, cores / 2) else None


LOOK_SECONDS = 0.3
"""For how long it is watched how much of the processor others use."""


def threads(setup: Setup) -> int | None:
    """How many threads each cell computes with, where other programs keep the processor busy.

    As many as cores are left, and one at least. Threads wait for each other at every operator, and
    so for the one that has no core: a step then takes several times as long as with one thread.
    None leaves it to torch: at rest, on a GPU, where OMP_NUM_THREADS says, and where bits are to be
    equal, for which the order of additions must be.
    """
    config = setup.config
    left = setup.environment.device != "cpu" or config.settings.deterministic
    if left or lanes.elsewhere(setup) or "OMP_NUM_THREADS" in os.environ or not high_load():
        return None
    import psutil

    cores = usable_cpus()
    used = psutil.cpu_percent(LOOK_SECONDS) / 100  # the load may be that of a run before
    free = max(1, round(cores * (1 - used)))
    return free if free < cores else None


def fewer(count: int | None) -> tuple[str, ...]:
    """A notice of how many threads cells compute with, if that is not left to torch."""
    if count is None:
        return ()
    said = f"Every cell computes with {plural(count, 'thread')}, for the cores that others left."
    return (said,)


def neighbours(setup: Setup) -> tuple[str, ...]:
    """Notices of who else is on the GPU; BusyError if somebody computes there, unless allowed.

    Where NVML does not show who is there, as in many containers, nobody is refused.
    """
    gpus = visible_gpus() if setup.environment.device == "cuda" else ()
    if not gpus or "MIG" in os.environ.get("CUDA_VISIBLE_DEVICES", ""):
        return ()  # of a part of a GPU, NVML would show the neighbours in the other parts
    return tuple(n for gpu in lanes.used(setup, gpus) for n in _beside(gpu, setup))


def _beside(gpu: GpuFacts, setup: Setup) -> tuple[str, ...]:
    others = crowd(gpu)
    if others and not setup.config.shared_gpu:
        raise BusyError(f"{others}: {WAYS_OUT}.")
    if others:
        return (f"{others}: what they do is in every figure.",)
    return unaccounted(gpu)


def crowd(gpu: GpuFacts) -> str | None:
    """`2 other processes hold 12.0 GiB of the GPU 'NVIDIA H200'`; None where none is seen."""
    if not gpu.processes:
        return None
    count, known = len(gpu.processes), [used for used in gpu.processes if used is not None]
    one = count == 1
    what = f"{size(sum(known))} of the GPU" if known else "an unknown part of the GPU"
    return f"{count} other process{'' if one else 'es'} hold{'s' * one} {what} '{gpu.name}'"


def unaccounted(gpu: GpuFacts) -> tuple[str, ...]:
    """A notice of memory in use that no visible process holds: likely somebody's outside."""
    used = gpu.memory_bytes - gpu.free_bytes
    if used <= ALLOWANCE_BYTES:
        return ()
    return (
        f"{size(used)} of the GPU '{gpu.name}' was in use before the first run, and no process "
        "to be seen here computes on it: a desktop, or somebody outside this container.",
    )
