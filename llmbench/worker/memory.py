"""Peak memory of a phase: exact from torch's allocator on CUDA, sampled elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from llmbench.record.record import Conditions, Memory, MemoryParts
from llmbench.worker.anatomy import grown

IDLE = 0x1
REASONS = {
    0x2: "clocks set by an application",
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "clocks set for a display",
}
"""Bits of NVML's reasons for a clock below the highest; idling is left out, it holds nothing down.

Source: `nvmlClocksEventReasons` in NVIDIA's NVML reference.
"""


class Look(NamedTuple):
    """What the GPU is like at one moment; None where NVML cannot tell."""

    clock_mhz: int | None
    temperature_celsius: int | None
    power_milliwatts: int | None
    reasons: int
    """NVML's bits."""
    processes: int
    """How many hold memory on the GPU, this one included."""


class Gpu:
    """One GPU, asked through NVML. Raises NVML's error where there is none to ask."""

    def __init__(self, uuid: str) -> None:
        import pynvml

        pynvml.nvmlInit()
        self._nvml: Any = pynvml
        self._handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}")
        clocks = (self._handle, pynvml.NVML_CLOCK_SM)
        self.clock_limit_mhz: int | None = self._ask("nvmlDeviceGetMaxClockInfo", *clocks)

    def process_bytes(self) -> int | None:
        """What this process holds; None where NVML does not show it, as in many containers."""
        own = os.getpid()
        used = [p.usedGpuMemory for p in self._processes() if p.pid == own]
        return int(used[0]) if used and used[0] is not None else None

    def look(self) -> Look:
        """What the GPU is like now."""
        handle, nvml = self._handle, self._nvml
        return Look(
            clock_mhz=self._ask("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_SM),
            temperature_celsius=self._ask(
                "nvmlDeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU
            ),
            power_milliwatts=self._ask("nvmlDeviceGetPowerUsage", handle),
            reasons=self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle) or 0,
            processes=len({p.pid for p in self._processes()}),
        )

    def _processes(self) -> Sequence[Any]:
        return self._ask("nvmlDeviceGetComputeRunningProcesses", self._handle) or ()

    def _ask(self, function: str, *arguments: Any) -> Any:
        try:
            return getattr(self._nvml, function)(*arguments)
        except (self._nvml.NVMLError, AttributeError):  # GPU, driver or container do not say
            return None


class Readings:
    """What NVML says over one phase: readings that are taken now and then, and their summary."""

    def __init__(self, gpu: Gpu, reserved: Callable[[], int]) -> None:
        self._gpu = gpu
        self._reserved = reserved
        self._looks: list[Look] = []
        self.process_bytes: int | None = None
        """The most that the process held."""
        self.outside_bytes: int | None = None
        """The most that it held beyond what torch's allocator had reserved at the same moment."""

    def sample(self) -> None:
        """Take a reading."""
        before = self._reserved()
        used = self._gpu.process_bytes()
        if used is not None:
            self.process_bytes = max(self.process_bytes or 0, used)
            if self._reserved() == before:  # else the two are not of the same moment
                self.outside_bytes = max(self.outside_bytes or 0, used - before)
        self._looks.append(self._gpu.look())

    def conditions(self) -> Conditions:
        """What the GPU was like over all readings."""
        return conditions(self._looks, self._gpu.clock_limit_mhz)


def find(device: torch.device) -> Gpu | None:
    """The GPU of that device; None where NVML cannot be asked."""
    try:
        return Gpu(str(torch.cuda.get_device_properties(device).uuid))
    except Exception:  # no NVML, or one that refuses: what it would say stays empty
        return None


def conditions(looks: Sequence[Look], clock_limit_mhz: int | None) -> Conditions:
    """The readings in short. Clocks are those of a GPU at work: one that idles lowers its own."""
    clocks = [s.clock_mhz for s in looks if s.clock_mhz is not None and not s.reasons & IDLE]
    heat = [s.temperature_celsius for s in looks if s.temperature_celsius is not None]
    power = [s.power_milliwatts for s in looks if s.power_milliwatts is not None]
    seen = 0
    for look in looks:
        seen |= look.reasons
    return Conditions(
        samples=len(looks),
        clock_mhz=(min(clocks), statistics.median_low(clocks), max(clocks)) if clocks else None,
        clock_limit_mhz=clock_limit_mhz,
        temperature_celsius=max(heat, default=None),
        power_watts=statistics.fmean(power) / 1000 if power else None,
        throttle_reasons=tuple(name for bit, name in REASONS.items() if seen & bit),
        other_processes=max((max(0, s.processes - 1) for s in looks), default=0),
    )


HOST_INTERVAL_SECONDS = 0.05
"""A sample takes 0.1 to 0.2 ms of a processor, waking up included: less than 0.5 % of one."""
NVML_INTERVAL_SECONDS = 1.0
"""Long: the driver answers under a lock that kernel launches take too, and what a process holds
only grows within a phase, so that the reading at its end finds nearly all there is; a recording,
which gives the cache back, is the exception. While a step is timed it is not asked at all, but as
soon as the step has ended."""


class Meter:
    """Measures the peaks of one phase at a time, for one process on one device."""

    _in_graphs: int
    """Bytes that recorded steps compute in, beyond what the allocator counts."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self._gpu = find(device) if self.cuda else None
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

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Count what a step recorded in the block needs as held until the peaks start anew.

        A CUDA graph keeps the memory that it computes in, and torch's allocator counts that as
        free: without this, whatever is allocated after the recording would look as if it took the
        place of the activations.
        """
        if not self.cuda:
            yield
            return
        self._set_aside()
        yield
        needed = torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated()
        self._set_aside()
        self._in_graphs = min(self._in_graphs + needed, free_in_graphs())

    def _set_aside(self) -> None:
        """Keep the device's peaks until now, and start torch's anew."""
        self._kept = self._device_peaks()
        torch.cuda.reset_peak_memory_stats()

    def clock_starts(self) -> None:
        """A step is timed from now on: asking the driver would hold it up."""
        self._timed = self.cuda

    def clock_stops(self) -> None:
        """The step has ended, and the GPU is as it was in it: look at it, if that is due."""
        self._timed = False
        if self.cuda and time.monotonic() - self._asked >= self._interval:
            self._take()

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
        self._in_graphs = 0
        self._pausing = self._timed = False
        self._asked = -math.inf
        self._watch = Readings(self._gpu, torch.cuda.memory_reserved) if self._gpu else None
        self.parts: MemoryParts | None = None
        """What a peak of the phase was made of, for who finds that out to set."""
        self.paged_bytes: int | None = None
        """What lies in managed memory, likewise."""

    def _device_peaks(self) -> tuple[int, int]:
        """The most that was allocated and reserved, in bytes, what was paused for left out."""
        allocated = max(self._kept[0], torch.cuda.max_memory_allocated() + self._in_graphs)
        return allocated, max(self._kept[1], torch.cuda.max_memory_reserved())

    def _take(self) -> None:
        if self._pausing or self._timed:
            return
        if self._watch:
            self._asked = time.monotonic()
            self._watch.sample()
        elif not self.cuda:
            with self._lock:
                self._peak = max(self._peak, self._read())

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._interval):
            self._take()

    def _peaks(self) -> Memory:
        self._timed = False  # where a step broke off
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


def free_in_graphs() -> int:
    """Bytes that torch's allocator counts as free and keeps for CUDA graphs, in pools of theirs."""
    device = torch.cuda.current_device()
    return sum(
        segment["total_size"] - segment["allocated_size"]
        for segment in torch.cuda.memory_snapshot()
        if segment["device"] == device and segment["segment_pool_id"] != DEFAULT_POOL
    )


DEFAULT_POOL = (0, 0)
"""The id of the pool that no graph has for itself."""


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
