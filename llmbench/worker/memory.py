"""Peak memory of a phase: exact from torch's allocator on CUDA, sampled elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from llmbench.record import Conditions, Memory, MemoryParts
from llmbench.worker import gpu
from llmbench.worker.anatomy import grown

HOST_INTERVAL_SECONDS = 0.05
"""A sample takes 0.1 to 0.2 ms of a processor, waking up included: less than 0.5 % of one."""
NVML_INTERVAL_SECONDS = 1.0
"""Long: the driver answers under a lock that kernel launches take too, and what a process holds
only grows within a phase, so that the reading at its end finds nearly all there is."""


class Meter:
    """Measures the peaks of one phase at a time, for one process on one device."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self._gpu = gpu.find(device) if self.cuda else None
        self._interval = NVML_INTERVAL_SECONDS if self.cuda else HOST_INTERVAL_SECONDS
        self._read = resident_bytes
        self._lock = threading.Lock()
        """Held while a peak is read and set: a sample must not bring back one that was reset."""
        release_freed()
        self._baseline = resident_bytes()
        self._begin()

    @contextlib.contextmanager
    def phase(self) -> Iterator[Callable[[], Memory]]:
        """Reset the peaks, sample while the block runs, and hand out a function that reads them."""
        self.reset()
        stop = threading.Event()
        sampler = threading.Thread(target=self._run, args=(stop,), daemon=True)
        sampler.start()
        try:
            yield self._peaks
        finally:
            stop.set()
            sampler.join()

    def reset(self) -> None:
        """Give back what is held for nothing, and start the phase's peaks anew."""
        release_freed()
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        self._begin()
        self._take()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave what the block takes out of the phase's peaks."""
        self._pausing = True
        if self.cuda:
            self._kept = self._device_peaks()
        try:
            yield
        finally:
            if self.cuda:
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
            self._pausing = False

    def sample(self) -> None:
        """Take a sample now: where memory is known to be highest, no sampler should miss it."""
        if not self.cuda:
            self._take()

    def conditions(self) -> Conditions | None:
        """What the GPU was like over the phase; None without one, or without NVML."""
        return self._watch.conditions() if self._watch else None

    def peak_so_far(self) -> int:
        """The phase's peak until now, of the kind that the report shows, for people who watch."""
        if self.cuda:
            return self._device_peaks()[0]
        return max(0, self._peak - self._baseline)

    def _begin(self) -> None:
        """Forget the phase before."""
        with self._lock:
            self._peak = 0
        self._kept = (0, 0)
        self._pausing = False
        self._watch = gpu.Watch(self._gpu, torch.cuda.memory_reserved) if self._gpu else None
        self.parts: MemoryParts | None = None
        """What a peak of the phase was made of, for who finds that out to set."""
        self.paged_bytes: int | None = None
        """What lies in managed memory, likewise."""

    def _device_peaks(self) -> tuple[int, int]:
        """The most that was allocated and reserved, in bytes, what was paused for left out."""
        allocated = max(self._kept[0], torch.cuda.max_memory_allocated())
        return allocated, max(self._kept[1], torch.cuda.max_memory_reserved())

    def _take(self) -> None:
        if self._pausing:
            return
        if self._watch:
            self._watch.sample()
        elif not self.cuda:
            with self._lock:
                self._peak = max(self._peak, self._read())

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._interval):
            self._take()

    def _peaks(self) -> Memory:
        self._take()
        if not self.cuda:
            return Memory(host_growth_bytes=max(0, self._peak - self._baseline))
        torch.cuda.synchronize()
        allocated, reserved = self._device_peaks()
        return Memory(
            allocated_bytes=allocated,
            reserved_bytes=reserved,
            process_bytes=self._watch.process_bytes if self._watch else None,
            outside_bytes=self._watch.outside_bytes if self._watch else None,
            paged_bytes=self.paged_bytes,
            parts=grown(self.parts, allocated),
        )


def resident_bytes() -> int:
    """The process's resident memory that no file and no shared memory backs.

    Pages that it shares with the process it was forked from, until either writes to them, count.
    """
    try:
        fields = STATM.read_bytes().split()
    except OSError:  # only Linux has it
        import psutil

        return int(psutil.Process().memory_info().rss)
    # Not the whole resident set: pages of libraries come in as code first runs, and would be
    # counted as the first cell's growth.
    return (int(fields[1]) - int(fields[2])) * PAGE_BYTES


STATM = Path("/proc/self/statm")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def release_freed() -> None:
    """Give freed memory back to the system, so that what is counted is what is really held."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
