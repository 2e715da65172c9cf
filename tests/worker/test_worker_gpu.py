"""What NVML is asked and how its answers are read, against a stand-in for it."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest
import torch

from llmbench.worker import memory
from llmbench.worker.memory import IDLE, Look

MIB = 2**20


class Nvml:
    """An NVML with one GPU; what is in `broken` is answered with an error."""

    class NVMLError(Exception):
        pass

    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, processes=(), broken=()):
        self.processes = [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in processes]
        self.broken = broken
        self.answers = {
            "nvmlInit": None,
            "nvmlDeviceGetHandleByUUID": "handle",
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetClockInfo": 1755,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetPowerUsage": 650_000,
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0x4 | 0x40,
        }

    def __getattr__(self, name):
        if not name.startswith("nvml"):
            raise AttributeError(name)

        def answer(*_):
            if name in self.broken:
                raise self.NVMLError(name)
            if name == "nvmlDeviceGetComputeRunningProcesses":
                return self.processes
            return self.answers[name]

        return answer


@pytest.fixture
def make(monkeypatch):
    def make(**options):
        monkeypatch.setitem(sys.modules, "pynvml", Nvml(**options))
        return memory.Gpu("GPU-1234")

    return make


def look(clock=1700, heat=60, power=600_000, reasons=0, processes=1) -> Look:
    return Look(clock, heat, power, reasons, processes)


def test_a_look_is_what_nvml_says(make):
    found = make(processes=[(1, MIB), (2, MIB)]).look()
    assert found == Look(1755, 61, 650_000, 0x44, 2)


def test_what_nvml_does_not_say_is_left_empty(make):
    broken = [
        "nvmlDeviceGetClockInfo",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetComputeRunningProcesses",
        "nvmlDeviceGetMaxClockInfo",
    ]
    asked = make(broken=broken)
    assert asked.look() == Look(None, None, None, 0, 0)
    assert asked.clock_limit_mhz is None
    assert asked.process_bytes() is None


def test_the_process_is_found_by_its_number(make):
    assert make(processes=[(1, 5), (os.getpid(), 7 * MIB)]).process_bytes() == 7 * MIB


@pytest.mark.parametrize("processes", [[], [(1, 5)], [(os.getpid(), None)]])
def test_a_process_that_nvml_does_not_show_has_no_figure(make, processes):
    assert make(processes=processes).process_bytes() is None


def test_outside_is_what_the_process_holds_beyond_the_allocator(make):
    asked = make(processes=[(os.getpid(), 700)])
    watch = memory.Readings(asked, lambda: 500)
    watch.sample()
    asked._nvml.processes[0].usedGpuMemory = 650
    watch.sample()
    assert (watch.process_bytes, watch.outside_bytes) == (700, 200)


def test_a_reading_during_which_the_allocator_grew_says_nothing_of_what_is_outside(make):
    growing = iter(range(100, 900, 100))
    watch = memory.Readings(make(processes=[(os.getpid(), 700)]), lambda: next(growing))
    watch.sample()
    assert (watch.process_bytes, watch.outside_bytes) == (700, None)


def test_conditions_sum_the_readings_up():
    looks = [look(1400), look(1800, heat=70, processes=3), look(1700, power=300_000)]
    found = memory.conditions([*looks, look(1750, reasons=0x4), look(1751)], 1980)
    assert found.samples == 5
    assert found.clock_mhz == (1400, 1750, 1800)
    assert found.clock_limit_mhz == 1980
    assert found.temperature_celsius == 70
    assert found.power_watts == pytest.approx(540)
    assert found.throttle_reasons == ("software power cap",)
    assert found.other_processes == 2


def test_an_idle_gpus_clock_is_not_a_clock_that_fell():
    found = memory.conditions([look(345, reasons=IDLE), look(1700)], None)
    assert found.clock_mhz == (1700, 1700, 1700)
    assert found.throttle_reasons == ()


def test_of_a_gpu_that_says_nothing_nothing_is_said():
    found = memory.conditions([Look(None, None, None, 0, 0)], None)
    assert found.model_dump(exclude_defaults=True) == {"samples": 1}


def test_readings_go_into_the_conditions_of_their_phase(make):
    watch = memory.Readings(make(processes=[(os.getpid(), 1)]), lambda: 0)
    watch.sample()
    assert watch.conditions().throttle_reasons == (
        "software power cap",
        "hardware thermal slowdown",
    )


def test_a_gpu_is_asked_between_steps_and_not_while_one_is_timed():
    meter, asked = memory.Meter(torch.device("cpu")), []
    meter.cuda, meter._watch = True, SimpleNamespace(sample=lambda: asked.append("once"))
    meter.clock_starts()
    meter._take()
    assert not asked
    meter.clock_stops()
    assert asked == ["once"]
    meter.clock_starts()
    meter.clock_stops()  # the next is not due yet
    assert asked == ["once"]
