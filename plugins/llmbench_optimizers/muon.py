"""Muon for matrices and AdamW for the rest, as one optimiser. Imported in the worker only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from llmbench_optimizers.matrices import parted


class MuonWithAdamW(torch.optim.Optimizer):
    """Steps the matrices of layers with torch's Muon; embeddings, head and vectors with AdamW.

    Its groups are theirs, so that a schedule reaches both.
    """

    def __init__(self, named: Mapping[str, torch.Tensor], lr: float, weight_decay: float) -> None:
        matrices, rest = parted(named)
        self._made: list[torch.optim.Optimizer] = []
        if matrices:
            self._made.append(
                torch.optim.Muon(
                    matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
                )
            )
        if rest:
            self._made.append(torch.optim.AdamW(rest, lr=lr, weight_decay=weight_decay))
        super().__init__([{"params": [*matrices, *rest]}], {"lr": lr})
        self.param_groups = [group for made in self._made for group in made.param_groups]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Step with both, and show their states as its own."""
        for made in self._made:
            made.step()
            self.state.update(made.state)
