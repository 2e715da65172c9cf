from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from records import GIB, environment

from llmbench import machine
from llmbench.errors import BusyError
from llmbench.machine import GpuFacts
from llmbench.run import lock


def gpu(processes: tuple[int | None, ...] | None = (), used: int = 0) -> GpuFacts:
    return GpuFacts("NVIDIA H200", 140 * GIB, 140 * GIB - used, "580", "GPU-a", processes)


@pytest.fixture
def check(monkeypatch):
    """Looks at a machine whose GPUs are these."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def check(*gpus, device="cuda", shared=False):
        monkeypatch.setattr(lock, "visible_gpus", lambda: gpus)
        settings = SimpleNamespace(gpus=1)
        config = SimpleNamespace(shared_gpu=shared, jobs=1, launcher="auto", settings=settings)
        return lock.check(SimpleNamespace(environment=environment(device), config=config))

    return check


@pytest.fixture
def computing(monkeypatch):
    """How many threads compute on a machine that is so busy."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def count(load=10, used=100, cores=2, device="cpu", deterministic=False):
        monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
        monkeypatch.setattr("os.cpu_count", lambda: cores)
        monkeypatch.setattr(lock, "usable_cpus", lambda: cores)
        monkeypatch.setattr("psutil.cpu_percent", lambda seconds: used)
        settings = SimpleNamespace(gpus=1, deterministic=deterministic)
        config = SimpleNamespace(launcher="auto", settings=settings)
        return lock.threads(SimpleNamespace(environment=environment(device), config=config))

    return count


@pytest.mark.parametrize(
    ("processes", "said"),
    [
        ((12 * GIB,), "1 other process holds 12.0 GiB of the GPU 'NVIDIA H200': wait until"),
        ((12 * GIB, GIB), "2 other processes hold 13.0 GiB of the GPU"),
        ((None, None), "2 other processes hold an unknown part of the GPU"),
        ((None, GIB), "2 other processes hold 1.0 GiB of the GPU"),
    ],
)
def test_a_gpu_on_which_others_compute_is_refused_with_the_ways_out(check, processes, said):
    with pytest.raises(BusyError) as caught:
        check(gpu(processes))
    assert str(caught.value).startswith(said)
    assert "CUDA_VISIBLE_DEVICES" in str(caught.value)
    assert "--shared-gpu" in str(caught.value)


def test_beside_others_one_runs_if_one_says_so_and_the_report_says_it(check):
    assert check(gpu((GIB,)), shared=True) == (
        "1 other process holds 1.0 GiB of the GPU 'NVIDIA H200': what they do is in every figure.",
    )


@pytest.mark.parametrize("processes", [(), None])
@pytest.mark.parametrize(("used", "notices"), [(0, 0), (GIB, 0), (3 * GIB, 1)])
def test_where_nobody_is_seen_nobody_is_refused_but_memory_in_use_is_named(
    check, processes, used, notices
):
    found = check(gpu(processes, used))
    assert len(found) == notices
    assert all("3.0 GiB of the GPU 'NVIDIA H200' was in use" in n for n in found)


def test_only_the_gpu_that_cells_run_on_counts(check):
    assert check(gpu(), gpu((GIB,))) == ()


def test_a_comparison_on_the_processor_has_no_neighbours_on_a_gpu(check):
    assert check(gpu((GIB,)), device="cpu") == ()


def test_a_part_of_a_gpu_is_not_judged_by_the_other_parts(check, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-4d2c")
    assert check(gpu((GIB,))) == ()


class NvmlError(Exception):
    """What NVML raises."""


def silent(handle):
    raise NvmlError


def listing(handle):
    return [SimpleNamespace(usedGpuMemory=5), SimpleNamespace(usedGpuMemory=None)]


def memory(handle, version):
    return SimpleNamespace(total=12, reserved=2, free=4)


def memory_of_an_older_driver(handle, version=None):
    if version:
        raise NvmlError
    return SimpleNamespace(total=12, free=4)


@pytest.fixture
def nvml(monkeypatch):
    """Stands in for pynvml on a machine with a GPU."""
    module = SimpleNamespace(
        NVMLError=NvmlError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: "handle",
        nvmlSystemGetDriverVersion=lambda: "580",
        nvmlMemory_v2=2,
        nvmlDeviceGetMemoryInfo=memory,
        nvmlDeviceGetName=lambda handle: "NVIDIA H200",
        nvmlDeviceGetUUID=lambda handle: "GPU-a",
        nvmlDeviceGetComputeRunningProcesses=listing,
        nvmlDeviceGetCudaComputeCapability=lambda handle: (9, 0),
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.setattr(machine, "_has_device_file", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return module


@pytest.mark.parametrize(
    ("ask", "found"), [(listing, (5, None)), (lambda _: [], ()), (silent, None)]
)
def test_a_gpus_processes_are_those_that_nvml_shows(nvml, ask, found):
    nvml.nvmlDeviceGetComputeRunningProcesses = ask
    assert machine.visible_gpus() == (
        GpuFacts("NVIDIA H200", 10, 4, "580", "GPU-a", found, (9, 0)),
    )


def test_what_the_driver_keeps_is_nobodys_to_use(nvml):
    (gpu,) = machine.visible_gpus()
    assert (gpu.memory_bytes, gpu.free_bytes) == (10, 4)


def test_an_older_driver_does_not_tell_what_it_keeps(nvml):
    nvml.nvmlDeviceGetMemoryInfo = memory_of_an_older_driver
    (gpu,) = machine.visible_gpus()
    assert (gpu.memory_bytes, gpu.free_bytes) == (12, 4)


@pytest.mark.parametrize(("load", "cores", "said"), [(5, 2, True), (1.2, 2, 0), (3, 16, 0)])
def test_a_processor_that_others_keep_busy_is_said_before_the_first_cell(
    check, monkeypatch, load, cores, said
):
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    notices = check(device="cpu")
    assert bool(notices) == said
    assert all("a load of 5.0 on 2 cores" in n for n in notices)


@pytest.mark.parametrize(
    ("used", "cores", "found"), [(100, 2, 1), (60, 2, 1), (60, 8, 3), (100, 16, 1), (10, 2, None)]
)
def test_cells_compute_with_the_cores_that_others_leave(computing, monkeypatch, used, cores, found):
    assert computing(load=5 * cores, used=used, cores=cores) == found
    said = lock.fewer(found)
    assert len(said) == (found is not None)
    assert all(f"computes with {found} thread" in sentence for sentence in said)


def test_torch_chooses_its_threads_where_it_should(computing, monkeypatch):
    assert computing(load=0.5) is None
    assert computing(device="cuda") is None
    assert computing(deterministic=True) is None
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert computing() is None
