"""What ran out: memory of the device or of the host, and how much there was of it; or the disk."""

from __future__ import annotations

import errno
import gc
import re
import traceback
from collections.abc import Iterator

import torch

from llmbench import machine
from llmbench.errors import UserError, message
from llmbench.record.record import Shortage
from llmbench.units import MOST_COUNT, UNITS

NO_MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "ALLOC_FAILED",
    "can't allocate memory",
    "Cannot allocate memory",
)
"""What an error says where memory ran out: torch, CUDA, cuBLAS, torch on a host, the system."""

SIZE = r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[KMGT]?i?B|bytes)"
ASKED = re.compile(f"(?:[Tt]ried to allocate|Unable to allocate) {SIZE}")
TOTAL = re.compile(f"total capacity of {SIZE}")
FREE = re.compile(f"of which {SIZE} is free")
ALLOWED = re.compile(f"{SIZE} allowed;")
"""In the messages of torch's allocators (`c10/cuda/CUDACachingAllocator.cpp`,
`c10/core/impl/alloc_cpu.cpp`) and of NumPy's."""


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_ROOM_WORDS = "No space left on device"


def no_room(error: BaseException) -> bool:
    """Whether it was the disk that had no room: nothing to hold against the cell."""
    return any(
        (isinstance(e, OSError) and e.errno in NO_ROOM) or NO_ROOM_WORDS in str(e)
        for e in _chain(error)
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the device or on the host, whoever noticed and passed it on."""
    return root(error) is not None


def of(error: BaseException, cuda: bool) -> Shortage | None:
    """What there was of memory when the error came; None for an error of another kind.

    `cuda` is whether the cell runs on a GPU: it may run out of either memory. To be called while
    the error's frames still hold what they held.
    """
    first = root(error)
    if first is None:
        return None
    text = message(first)
    if cuda and ("CUDA" in text or "CUBLAS" in text):
        return _on_cuda(text)
    free, total = machine.room()
    asked = _size(ASKED, text)
    return Shortage(where="host", asked_bytes=asked, free_bytes=max(0, free), total_bytes=total)


def let_go(error: BaseException) -> None:
    """Free what the error's frames hold, so that there is memory to write the record with."""
    for one in _chain(error):
        traceback.clear_frames(one.__traceback__)
    gc.collect()


def root(error: BaseException) -> BaseException | None:
    """The error that says that memory ran out, among those that led to this one."""
    return next((e for e in _chain(error) if _says_so(e)), None)


def _says_so(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, UserError) or not isinstance(error, Exception):
        return False  # a sentence of ours may quote the error that it was made of
    return any(w in message(error) for w in NO_MEMORY)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was raised from or in the handling of."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _on_cuda(text: str) -> Shortage:
    free, total, allowed = (_size(p, text) for p in (FREE, TOTAL, ALLOWED))
    if free is None or total is None:
        free, total = _asked_of_the_driver()
    if allowed is not None and free is not None:
        free = max(0, min(free, allowed - torch.cuda.memory_reserved()))
    return Shortage(
        where="cuda",
        asked_bytes=_size(ASKED, text),
        free_bytes=free,
        total_bytes=total if allowed is None else allowed,
    )


def _asked_of_the_driver() -> tuple[int | None, int | None]:
    try:
        free, total = torch.cuda.mem_get_info()
    except RuntimeError:  # an error that has broken the context
        return None, None
    return int(free), int(total)


def _size(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    if match is None:
        return None
    unit = match["unit"].replace("bytes", "B")
    # A size that went wrong may be asked for with more than there can be.
    return min(round(float(match["number"]) * UNITS[unit]), MOST_COUNT)
