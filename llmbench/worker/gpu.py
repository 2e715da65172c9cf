"""The GPU as NVML sees it: what this process holds on it, and what it is like meanwhile."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from llmbench.record import Conditions

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
        held = [p.usedGpuMemory for p in self._processes() if p.pid == own]
        return int(held[0]) if held and held[0] is not None else None

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


class Watch:
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
        held = self._gpu.process_bytes()
        if held is not None:
            self.process_bytes = max(self.process_bytes or 0, held)
            if self._reserved() == before:  # else the two are not of the same moment
                self.outside_bytes = max(self.outside_bytes or 0, held - before)
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
