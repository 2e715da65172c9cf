"""A process's place among those of a cell on several GPUs, and its part of the work."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

Part = TypeVar("Part")


@dataclass(frozen=True)
class Spread:
    """One rank of so many; of a single one nothing is spread."""

    rank: int = 0
    ranks: int = 1
    parts_data: bool = False
    """Whether each rank trains on a part of every step; else all compute the same batches."""

    @property
    def part_of_data(self) -> int:
        """Which part of the data is this rank's: dropout is drawn anew for each."""
        return self.rank if self.parts_data else 0

    @property
    def averaged_over(self) -> int:
        """How many ranks' gradients are averaged. A loss that is a part of a sum is raised by it,
        so that the mean of the gradients is that of the whole batch's loss.
        """
        return self.ranks if self.parts_data else 1

    def part(self, step: Sequence[Part]) -> Sequence[Part]:
        """This rank's micro-batches of a step: no two ranks have the same one, and all are had."""
        return step[self.rank :: self.ranks] if self.parts_data else step

    def mean(self, of: torch.Tensor) -> torch.Tensor:
        """The mean of the ranks' tensors, on every rank; all have to call it."""
        if not self.parts_data:
            return of
        torch.distributed.all_reduce(of)
        return of / self.ranks

    def communicating(self, model: Any, last: bool) -> AbstractContextManager[Any]:
        """A context around a micro-batch: replicas add gradients up, and pass on only the last."""
        replicated = isinstance(model, torch.nn.parallel.DistributedDataParallel)
        return model.no_sync() if replicated and not last else nullcontext()


ALONE = Spread()
"""The only process of a cell."""
