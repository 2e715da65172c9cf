"""What an estimate costs: processor time of `llmbench estimate` for a model of 7 billion weights.

    python tests/benchmark/estimate_time.py

Prints a Markdown table: twelve compositions of Llama-2-7B without a GPU named, and with one, where
the largest micro-batch and the longest sequence that fit are sought as well. Processor time is that
of the command and of its workers, which a busy machine hardly changes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

COMPOSITIONS = (
    "full",
    "lora",
    "qlora(paged=false)",
    "8-bit",
    "4-bit",
    "flash-attention",
    "gradient-checkpointing",
    "lora+gradient-checkpointing",
    "qlora(paged=false)+gradient-checkpointing",
    "dora",
    "eager-attention",
    "full+adamw-8bit",
)
GPUS = ("", "a100-40gb")


def main() -> None:
    show(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    show("| GPU | processor time, s | wall time, s |\n| --- | --- | --- |")
    for gpu in GPUS:
        processor, wall = seconds(gpu)
        show(f"| {gpu or 'none named'} | {processor:.1f} | {wall:.1f} |")


def seconds(gpu: str) -> tuple[float, float]:
    """User and system time of the command and all that it starts, and wall time."""
    command = [sys.executable, "-m", "llmbench", "estimate", "--model", "llama-2-7b"]
    command += ["--strategies", ",".join(COMPOSITIONS), *(("--gpu", gpu) if gpu else ())]
    before, started = spent(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return spent() - before, time.perf_counter() - started


def spent() -> float:
    """Processor seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def show(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
