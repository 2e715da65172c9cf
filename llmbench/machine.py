"""What a cell runs on: processor, GPUs, memory, versions."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from llmbench.errors import ConfigError
from llmbench.units import Count

PACKAGES = (
    "llmbench",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "accelerate",
    "tokenizers",
    "flash_attn",
    "torchao",
    "hqq",
)
Device = Literal["cpu", "cuda"]


class Environment(BaseModel):
    """The facts that a figure depends on. Names no user and no host."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    device: Device
    device_name: str
    device_memory_bytes: Count
    device_count: Count = 0
    compute_capability: tuple[Count, Count] | None = None
    """What kind of GPU it is, as NVIDIA counts them: (9, 0) is Hopper."""
    driver: str | None = None
    system: str
    cpu_name: str
    cpu_count: Count
    memory_bytes: Count
    python: str
    versions: dict[str, str]


def collect(device: str = "auto") -> Environment:
    """Look at this machine. `device` is auto, cpu or cuda; ConfigError where there is no such."""
    gpus = gpu_facts()
    if device == "cuda" and not gpus:
        raise ConfigError(
            "No NVIDIA GPU can be used here: run with --device cpu, or ask 'llmbench doctor' why."
        )
    memory, cpus = host_memory_bytes(), usable_cpus()
    shared: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_name": cpu_name(),
        "cpu_count": cpus,
        "memory_bytes": memory,
        "python": platform.python_version(),
        "versions": package_versions(),
    }
    if gpus and device != "cpu":
        first = gpus[0]
        return Environment(
            device="cuda",
            device_name=first.name,
            device_memory_bytes=first.memory_bytes,
            device_count=len(gpus),
            compute_capability=first.compute_capability,
            driver=first.driver,
            **shared,
        )
    label = f"{shared['cpu_name']}, {cpus} core{'s' if cpus != 1 else ''}"
    return Environment(device="cpu", device_name=label, device_memory_bytes=memory, **shared)


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide a figure; a missing package is left out."""
    versions = {name: package_version(name) for name in PACKAGES}
    return {name: number for name, number in versions.items() if number is not None}


def package_version(name: str) -> str | None:
    """The version of an installed package; None where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


class GpuFacts(NamedTuple):
    """What NVML says of a GPU."""

    name: str
    memory_bytes: int
    free_bytes: int
    driver: str
    uuid: str = ""
    processes: tuple[int | None, ...] | None = None
    """What each process that computes on it holds; None where NVML does not say."""
    compute_capability: tuple[int, int] | None = None


@cache
def gpu_facts() -> tuple[GpuFacts, ...]:
    """Every GPU that this process may use, and that this build of torch can."""
    if "+cpu" in (package_version("torch") or ""):
        return ()
    return visible_gpus()


def visible_gpus() -> tuple[GpuFacts, ...]:
    """Every GPU that the driver shows and CUDA_VISIBLE_DEVICES leaves."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in {"", "-1"}:
        return ()
    return _nvml_facts(visible) if _has_device_file() else ()


def in_order_of_nvml() -> dict[str, str]:
    """Environment variables of a process in which CUDA counts GPUs as NVML does.

    By itself CUDA counts the fastest first: another GPU would be watched than the one that runs.
    """
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", **os.environ}


def _has_device_file() -> bool:
    """A quick look that saves loading NVML where there is no GPU; WSL has a file of its own."""
    if platform.system() != "Linux":
        return True
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


def _nvml_facts(visible: str | None) -> tuple[GpuFacts, ...]:
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no driver, or one that does not answer: there is no GPU to use
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        facts = [_facts(handle, driver) for handle in handles]
        return tuple(facts[i] for i in visible_indices(visible, [f.uuid for f in facts]))
    finally:
        pynvml.nvmlShutdown()


def _facts(handle: Any, driver: str) -> GpuFacts:
    import pynvml

    total, free = _memory(handle)
    name = str(pynvml.nvmlDeviceGetName(handle))
    uuid = str(pynvml.nvmlDeviceGetUUID(handle))
    processes = _processes(handle)
    major, minor = map(int, pynvml.nvmlDeviceGetCudaComputeCapability(handle))
    return GpuFacts(name, total, free, driver, uuid, processes, (major, minor))


def _memory(handle: Any) -> tuple[int, int]:
    """Bytes that programs can have, and those of them that are free; the driver keeps some."""
    import pynvml

    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except pynvml.NVMLError:  # an older driver does not tell what it keeps
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        return int(memory.total), int(memory.free)
    return int(memory.total - memory.reserved), int(memory.free)


def _processes(handle: Any) -> tuple[int | None, ...] | None:
    import pynvml

    try:
        processes = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except pynvml.NVMLError:  # some containers and virtual GPUs do not say
        return None
    return tuple(None if p.usedGpuMemory is None else int(p.usedGpuMemory) for p in processes)


def visible_indices(visible: str | None, uuids: Sequence[str]) -> list[int]:
    """Which GPUs CUDA_VISIBLE_DEVICES leaves, in its order; all where none is named that is known.

    It names them by number, or by the start of a UUID.
    """
    everything = range(len(uuids))
    parts = [p.strip() for p in (visible or "").split(",")]
    if all(p.isdigit() for p in parts):
        return [int(p) for p in parts if int(p) in everything]
    named = [i for p in parts for i in everything if p and uuids[i].startswith(p)]
    return named or list(everything)


def usable_cpus() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's model name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def host_memory_bytes() -> int:
    """The machine's memory."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    import psutil

    return int(psutil.virtual_memory().total)


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
