"""What sampling costs: training with the harness's sampler and without it, in turns.

    python tests/benchmark/sampling.py                       # on a CPU, the shipped tiny model
    python tests/benchmark/sampling.py --model llama-3.2-1b  # on a GPU, its shape

Each round trains for the same steps both ways, the second way first in every other round, and
gives by what share the sampler lowers tokens per second. Beside it stands how much of one
processor's time the sampler's thread took, which other programs on the machine disturb little. A
GPU is asked through NVML once a second, between steps; a host's memory is read much more often, and
after each forward pass.
"""

from __future__ import annotations

import argparse
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median, quantiles

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from llmbench.record.record import Step
from llmbench.record.settings import Settings
from llmbench.worker import batch, memory, train
from llmbench.worker.memory import Meter

MODELS = Path(__file__).parents[2] / "plugins" / "llmbench_models"
TINY = "llmbench-tiny"


class Timed(Meter):
    """A meter that knows what its sampler cost."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self.shares: list[float] = []
        """Of one processor, over each phase."""

    def _run(self, stop: threading.Event) -> None:
        began, spent = time.perf_counter(), time.thread_time()
        super()._run(stop)
        self.shares.append((time.thread_time() - spent) / (time.perf_counter() - began))


class Watched(train.Observer):
    """Keeps the steps, and samples where the harness does, if there is a meter."""

    def __init__(self, meter: Meter | None) -> None:
        self.meter = meter
        self.steps: list[Step] = []

    def before_step(self, number: int) -> None:
        if self.meter:
            self.meter.clock_starts()

    def after_forward(self) -> None:
        if self.meter:
            self.meter.sample()

    def after_step(self, step: Step) -> None:
        if self.meter:
            self.meter.clock_stops()
        self.steps.append(step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=TINY)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seq-len", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load(args.model, device)
    meter = Timed(device)
    run(model, None, args)  # warms up
    rates = []
    for number in range(args.rounds):
        order = (meter, None) if number % 2 else (None, meter)
        found = {which is not None: run(model, which, args) for which in order}
        rates.append(1 - found[True] / found[False])
    cuda = device.type == "cuda"
    interval = memory.NVML_INTERVAL_SECONDS if cuda else memory.HOST_INTERVAL_SECONDS
    print(f"{args.model} on {device.type}, a sample every {interval:g} s, {args.rounds} rounds")  # noqa: T201
    print(f"tokens per second lower by {share(rates)}")  # noqa: T201
    print(f"the sampler's thread took {share(meter.shares)} of one processor")  # noqa: T201


def load(name: str, device: torch.device) -> torch.nn.Module:
    """The model of that name with random weights; in bf16 on a GPU."""
    folder = MODELS / "tiny" if name == TINY else MODELS / "configs" / name
    config = AutoConfig.from_pretrained(folder)
    with device:
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        return AutoModelForCausalLM.from_config(config, dtype=dtype)


def run(model: torch.nn.Module, meter: Meter | None, args: argparse.Namespace) -> float:
    """Tokens per second of one training, with the meter or without."""
    settings = Settings(steps=args.steps, batch_size=args.batch_size, seq_len=args.seq_len)
    steps = batch.random_steps(model, settings, seed=0)
    optimizer, watched = (
        train.adamw([p for p in model.parameters() if p.requires_grad], settings),
        Watched(meter),
    )
    with meter.phase() if meter else nullcontext():
        train.train(model, optimizer, steps, settings, nullcontext, watched)
    measured = watched.steps[settings.burn_in_steps :]
    return sum(s.nonpadding_tokens for s in measured) / sum(s.seconds for s in measured)


def share(values: list[float]) -> str:
    """The median, and between which values the middle half of them lies."""
    low, _, high = quantiles(values, n=4)
    return f"{median(values):.2%} (the middle half of rounds: {low:.2%} to {high:.2%})"


if __name__ == "__main__":
    main()
