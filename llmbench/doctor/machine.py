"""The machine: Python, GPUs by NVML, memory."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from llmbench import machine
from llmbench.doctor.finding import Finding, absent, ok, problem
from llmbench.machine import GpuFacts
from llmbench.units import GIB, size

LEAST_MEMORY_BYTES = 2 * GIB
"""What torch, transformers and the shipped model take, with some room."""


def python() -> Finding:
    """The interpreter; it is new enough, or nothing here would run."""
    return ok("python", f"{platform.python_version()} in {_short(sys.prefix)}")


def has_gpu() -> bool:
    """Whether a driver shows a GPU that this process may use, whatever torch can do with it."""
    return bool(machine.visible_gpus())


def gpus() -> list[Finding]:
    """A finding for each GPU that may be used."""
    visible = machine.visible_gpus()
    if visible:
        return [_gpu(facts) for facts in visible]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "unset").strip() in {"", "-1"}
    if hidden:
        return [absent("gpu", "hidden by CUDA_VISIBLE_DEVICES", "unset CUDA_VISIBLE_DEVICES")]
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return [
            problem(
                "gpu",
                "there is one, and NVIDIA's driver does not answer",
                "run nvidia-smi: it says what is wrong with the driver",
            )
        ]
    return [absent("gpu", "no NVIDIA GPU: everything runs on the CPU")]


def memory() -> Finding:
    """The host's memory, and what is free of it."""
    free, whole = machine.room()
    text = f"{size(free)} of {size(whole)} free"
    if free < LEAST_MEMORY_BYTES:
        return problem("memory", text, "end other programs: even the shipped model needs 2 GiB")
    return ok("memory", text)


def _gpu(facts: GpuFacts) -> Finding:
    text = f"{facts.name}, {size(facts.free_bytes)} of {size(facts.memory_bytes)} free, "
    text += f"driver {facts.driver}"
    if facts.free_bytes < facts.memory_bytes * 0.9:
        text += "; somebody else uses it, which slows cells down"
    return ok("gpu", text)


def _short(path: str) -> str:
    return path.replace(str(Path.home()), "~")
