"""DeepSpeed's engine, called and stepped by the harness's loop. Worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import deepspeed
import torch

from llmbench.record.settings import Settings


class Engine(torch.nn.Module):
    """A model that DeepSpeed trains once it has its optimiser, and that is itself until then."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model
        self._engine: list[Any] = []  # in a list, so that its parameters are not found twice

    @property
    def engine(self) -> Any:
        """DeepSpeed's."""
        return self._engine[0]

    def forward(self, **inputs: Any) -> Any:
        """What the model gives."""
        return self.engine(**inputs)

    def start(self, optimizer: torch.optim.Optimizer, stage: int, settings: Settings) -> Any:
        """Hand model and optimiser to DeepSpeed, whose weights are parts from now on."""
        self._engine[:] = deepspeed.initialize(
            model=self.model, optimizer=optimizer, config=config(stage, settings)
        )[:1]
        return self.engine

    def gather(self) -> None:
        """Have every process hold whole weights, in a model that DeepSpeed has left."""
        engine = self._engine.pop()
        parted = engine.zero_optimization_stage() == 3
        wholes = [whole(p) if parted else p.data for p in self.model.parameters()]
        engine.destroy()
        for hook in (engine.module_forward_pre_hook, engine.module_forward_post_hook):
            hook.remove()
        for module in self.model.modules():  # DeepSpeed's kind would gather them once more
            module._parameters = dict(module._parameters)
        for parameter, values in zip(self.model.parameters(), wholes, strict=True):
            parameter.data = values


def whole(parameter: torch.nn.Parameter) -> torch.Tensor:
    """All values of a weight that is cut up; all processes have to ask."""
    with deepspeed.zero.GatheredParameters([parameter]):
        return parameter.data.clone()


class PartedAdamW(torch.optim.Optimizer):
    """AdamW of which this process steps its part: fp32 copies of so many weights, in a row.

    At a step DeepSpeed exchanges the gradients that it has not yet, clips them by the norm of all,
    steps, sends the weights round, and gives the gradients up.
    """

    def __init__(
        self, model: Engine, weights: Sequence[torch.nn.Parameter], stage: int, settings: Settings
    ) -> None:
        rate, decay = settings.learning_rate, settings.weight_decay
        own = torch.optim.AdamW(weights, lr=rate, weight_decay=decay, fused=True)
        self._engine = model.start(own, stage, settings)
        self._own = own
        self.gradients_kept_in = weights[0].dtype
        """Their type until the step. They are DeepSpeed's own, and gone when it ends."""
        held = self._engine.optimizer
        parts = (
            held.fp32_partitioned_groups_flat
            if stage == 3
            else held.single_partition_of_fp32_groups
        )
        super().__init__(parts, {"lr": rate, "weight_decay": decay})
        self.state = own.state

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Step the part that is here, at the rate of the schedule, and have all weights renewed."""
        for group in self._own.param_groups:
            group["lr"] = self.param_groups[0]["lr"]
        self._engine.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """They are gone."""


def config(stage: int, settings: Settings) -> dict[str, Any]:
    """What DeepSpeed is told; everything else is as it has it."""
    return {
        "train_micro_batch_size_per_gpu": settings.batch_size,
        "gradient_accumulation_steps": 1,
        # The loss is weighed by the loop, which also says when a step ends.
        "managed_gradient_accumulation": False,
        "gradient_clipping": settings.max_grad_norm,
        "bf16": {"enabled": settings.numerics.trained == "bfloat16"},
        "zero_optimization": {"stage": stage, "overlap_comm": False},
        "steps_per_print": 2**31,
    }
