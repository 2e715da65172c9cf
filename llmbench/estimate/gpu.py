"""GPUs to predict for, which need not be here, and what of their memory a process can use."""

from __future__ import annotations

from dataclasses import dataclass

from llmbench import size
from llmbench.environment import Environment, collect
from llmbench.errors import ConfigError, nearest

GIB = 2**30
OUTSIDE_BYTES = int(0.8 * GIB)
"""What a process holds beside torch's allocator: the CUDA context, the code of the kernels and the
libraries' handles. On an H200, NVML less the allocator gave 0.6 GiB after loading and 0.74 to 0.80
after training (reports/gallery/llama-2-7b-h200)."""


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU."""

    name: str
    nominal: str
    """What it is sold as."""
    usable_gib: float
    """What CUDA gives out of it: a part is kept by the driver, and by error correction."""
    capability: tuple[int, int]

    @property
    def memory_bytes(self) -> int:
        """What CUDA gives out of it."""
        return int(self.usable_gib * GIB)


GPUS = {
    "t4": Gpu("T4", "16 GB", 14.74, (7, 5)),
    "a10g": Gpu("A10G", "24 GB", 22.03, (8, 6)),
    "l4": Gpu("L4", "24 GB", 22.03, (8, 9)),
    "rtx-3090": Gpu("RTX 3090", "24 GB", 23.68, (8, 6)),
    "rtx-4090": Gpu("RTX 4090", "24 GB", 23.64, (8, 9)),
    "rtx-5090": Gpu("RTX 5090", "32 GB", 31.34, (12, 0)),
    "a100-40gb": Gpu("A100 40GB", "40 GB", 39.39, (8, 0)),
    "a100-80gb": Gpu("A100 80GB", "80 GB", 79.14, (8, 0)),
    "h100": Gpu("H100", "80 GB", 79.10, (9, 0)),
    "h200": Gpu("H200", "141 GB", 139.72, (9, 0)),
    "b200": Gpu("B200", "180 GB", 178.35, (10, 0)),
}
"""By the name that is typed. Nominal sizes and compute capabilities are NVIDIA's; what is usable
is the "total capacity" in torch's out-of-memory messages, as people quote them in public issues:
where they differ (drivers, error correction), the least."""


def environment(name: str | None) -> Environment:
    """Where to predict for: a GPU by its name or its memory, else the one that is here.

    Where there is none, a GPU of unknown memory (0 bytes). Raises ConfigError for a name that is
    neither a GPU nor a size.
    """
    here = collect()
    if name is None and here.device == "cuda":
        return here
    known = GPUS.get((name or "").strip().lower())
    facts: dict[str, object] = {"device_name": "a GPU", "device_memory_bytes": 0}
    if known:
        facts = {"device_name": known.name, "device_memory_bytes": known.memory_bytes}
    elif name is not None:
        held = _size(name)
        facts = {"device_name": f"a GPU of {size.exact(held)}", "device_memory_bytes": held}
    return here.model_copy(
        update={
            "device": "cuda",
            "device_count": 1,
            "driver": None,
            "compute_capability": known.capability if known else None,
            **facts,
        }
    )


def _size(name: str) -> int:
    try:
        return size.read(name)
    except ValueError:
        raise ConfigError(
            f"There is no GPU '{name}': {nearest(name.lower(), GPUS)} "
            "The size of its memory (24GiB) will do as well."
        ) from None
