"""Who else is on the GPU before the first cell runs: what they do would be in every figure."""

from __future__ import annotations

import os

from llmbench.environment import GpuFacts, visible_gpus
from llmbench.errors import BusyError
from llmbench.format import size
from llmbench.setup import Setup

ALLOWANCE_BYTES = 2**30
"""What a driver and a desktop take of a GPU on which nobody computes."""
WAYS_OUT = (
    "wait until they have ended, choose another with CUDA_VISIBLE_DEVICES, "
    "or run beside them with --shared-gpu, which marks every cell"
)


def check(setup: Setup) -> tuple[str, ...]:
    """Notices of who else is on the GPU; BusyError if somebody computes there, unless allowed.

    Where NVML does not show who is there, as in many containers, nobody is refused.
    """
    gpus = visible_gpus() if setup.environment.device == "cuda" else ()
    if not gpus or "MIG" in os.environ.get("CUDA_VISIBLE_DEVICES", ""):
        return ()  # of a part of a GPU, NVML would show the neighbours in the other parts
    others = crowd(gpus[0])
    if others and not setup.config.shared_gpu:
        raise BusyError(f"{others}: {WAYS_OUT}.")
    if others:
        return (f"{others}: what they do is in every figure.",)
    return unaccounted(gpus[0])


def crowd(gpu: GpuFacts) -> str | None:
    """`2 other processes hold 12.0 GiB of the GPU 'NVIDIA H200'`; None where none is seen."""
    if not gpu.processes:
        return None
    count, known = len(gpu.processes), [held for held in gpu.processes if held is not None]
    one = count == 1
    what = f"{size(sum(known))} of the GPU" if known else "an unknown part of the GPU"
    return f"{count} other process{'' if one else 'es'} hold{'s' * one} {what} '{gpu.name}'"


def unaccounted(gpu: GpuFacts) -> tuple[str, ...]:
    """A notice of memory in use that no visible process holds: likely somebody's outside."""
    used = gpu.memory_bytes - gpu.free_bytes
    if used <= ALLOWANCE_BYTES:
        return ()
    return (
        f"{size(used)} of the GPU '{gpu.name}' was in use before the first cell, and no process "
        "to be seen here computes on it: a desktop, or somebody outside this container.",
    )
