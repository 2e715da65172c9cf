"""A cell on its way through its phases: what they hand on to each other."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from llmbench.plugin.strategy import Strategy
from llmbench.worker import batch, brought, guard, tensor
from llmbench.worker.encoding import Encoder, remarks
from llmbench.worker.recorder import Recorder
from llmbench.worker.spread import ALONE, Spread
from llmbench.workers.job import Job


@dataclass
class Running:
    """What the phases hand on to each other."""

    job: Job
    strategies: tuple[Strategy, ...]
    device: torch.device
    recorder: Recorder
    spread: Spread = ALONE
    """This process's place among those of the cell."""
    model: Any = None
    base: tensor.Base = field(default_factory=dict)
    """The parameters that the model had before the strategies made it ready."""
    stepping: Any = None
    """What a training step calls: the model, or what spreads it over GPUs."""
    tokenizer: Any = None
    encoder: Encoder | None = None
    first: batch.Batch | None = None
    """The first micro-batch as all cells have it, whatever a strategy makes of it."""
    batches: list[list[batch.Batch]] = field(default_factory=list)
    """Those of every step, once they are made."""

    @property
    def pad(self) -> int:
        """The padding token's id."""
        return int(self.tokenizer.pad_token_id or 0) if self.tokenizer else 0

    @property
    def ends(self) -> tuple[int, ...]:
        """Tokens that end an answer: the one trained on, and those that the model came with."""
        own = self.model.generation_config.eos_token_id
        known = [*(own if isinstance(own, list | tuple) else [own])]
        known += [self.tokenizer.eos_token_id] if self.tokenizer else []
        known += [self.encoder.template.end] if self.encoder else []
        return tuple(sorted({int(token) for token in known if token is not None}))

    def loss(self, model: torch.nn.Module, inputs: batch.Batch) -> torch.Tensor:
        """The loss of a micro-batch as it is trained on, not recorded."""
        return brought.loss(self.strategies)(model, inputs)

    @property
    def needed(self) -> bool:
        """Whether this process takes part in evaluation: where data were spread, the first does."""
        return self.spread.rank == 0 or not self.spread.parts_data

    def context(self) -> AbstractContextManager[None]:
        """Every strategy's context around a training step."""
        return training_context(self.strategies)


@contextmanager
def training_context(strategies: Sequence[Strategy]) -> Iterator[None]:
    """Every strategy's context around a training step."""
    with ExitStack() as stack:
        for strategy in strategies:
            stack.enter_context(guard.Context(strategy))
        yield


def warn_of_examples(running: Running, examples: int, role: str) -> None:
    """Say what was found of the examples that were encoded: what was cut, and what was not read."""
    if running.encoder:
        for sentence in remarks(running.encoder.tally, running.job.cell.settings, examples, role):
            running.recorder.warn(sentence)


def seed_everything(seed: int) -> None:
    """Seed Python's and torch's generators, of every device."""
    random.seed(seed)
    torch.manual_seed(seed)


def be_deterministic() -> None:
    """Have torch run kernels alone that give equal bits, for the rest of the process.

    To be called before CUDA is first used: cuBLAS reads how much work space it may have, on which
    its order of additions depends, as its handle is made. Kernels are still launched without
    waiting for each other: the order on a stream is the same in every run. An operation that has
    no such kernel raises a RuntimeError.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
