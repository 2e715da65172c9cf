"""What makes two runs of a cell alike: seeds, and kernels that give equal bits."""

from __future__ import annotations

import os
import random

import torch


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
