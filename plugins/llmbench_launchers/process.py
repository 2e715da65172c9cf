"""What both launchers do with a process: its environment, its events, its end."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmbench.environment import in_order_of_nvml
from llmbench.launcher import Event

if TYPE_CHECKING:
    import subprocess


def worker_environment() -> dict[str, str]:
    """Environment variables of a worker."""
    return {
        **in_order_of_nvml(),
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        # Threads that spin for long while they wait for one another slow a cell down tenfold when
        # somebody else uses a core; ones that sleep at once cost a third of the speed.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "20000"),
    }


def events(process: subprocess.Popen[bytes]) -> Iterator[Event]:
    """Every event that the process writes, until it closes its output."""
    assert process.stdout
    for line in process.stdout:
        with contextlib.suppress(ValueError):  # a line that a library slipped in is no event
            event = json.loads(line)
            if isinstance(event, dict) and "event" in event:
                yield event
