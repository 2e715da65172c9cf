"""Seeding every generator that a cell draws from."""

from __future__ import annotations

import random

import torch


def seed_everything(seed: int) -> None:
    """Seed Python's and torch's generators, of every device."""
    random.seed(seed)
    torch.manual_seed(seed)
