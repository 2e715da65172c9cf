"""Training steps recorded as CUDA graphs: the host launches a step's kernels at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings


class CudaGraphs(Strategy):
    """Records forward and backward pass once for every length of a batch, and replays them.

    A small model's step is bound by the host, which launches thousands of kernels for it. Batches
    are padded to few lengths. Clipping and optimiser stay as they are, and gradients are held
    twice. Alone it is `full+cuda-graphs`.
    """

    id = "cuda-graphs"
    summary = "steps recorded as CUDA graphs and replayed: for models that wait for the host"
    group = "launching"
    arithmetic = False
    in_all = False

    multiple: int = Field(
        128, ge=1, description="Batches are padded to a multiple of so many tokens."
    )

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """They are NVIDIA's."""
        if environment.device != "cuda":
            return "CUDA graphs need an NVIDIA GPU: leave cuda-graphs out."
        return None

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """What waits for the host within a step, or computes in a loop or on GPUs of its own."""
        for other in others:
            if "train" in other.brings() or other.spreads:
                return f"'{other.id}' was not tried with '{self.id}': leave one of the two out."
            if other.id == "gradient-checkpointing":
                return (
                    f"'{other.id}' asks for random states, which cannot be recorded: write "
                    f"'activation-budget+{self.id}'."
                )
            if getattr(other, "offload", False):
                return f"What '{other.id}' offloads comes and goes as the host says: no offload."
        return None

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Refuse a prediction: what graphs keep is theirs until the end."""
        if next(model.parameters()).is_meta:
            raise CannotRun("Memory of recorded steps is not predicted.")
        return model

    def batches(self, examples: Sequence[Any], pad: int) -> Mapping[str, Any]:
        """Rows of a length of which there are few."""
        from torch.nn import functional

        from llmbench.worker.batch import IGNORED, collate

        if examples[0].paired:
            raise CannotRun("Batches for an encoder and a decoder are not padded to few lengths.")
        made = collate(examples, pad)
        missing = (0, -made.longest % self.multiple)
        return {
            "input_ids": functional.pad(made.input_ids, missing, value=pad),
            "labels": functional.pad(made.labels, missing, value=IGNORED),
        }

    def record(
        self,
        loss: Callable[[Any, Mapping[str, Any]], Any],
        model: Any,
        inputs: Mapping[str, Any],
    ) -> Callable[[Mapping[str, Any]], Any]:
        """Two graphs, forward and backward."""
        from llmbench_fast import recorded

        return recorded.replay(loss, model, inputs)
