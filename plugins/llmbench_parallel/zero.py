"""ZeRO (Rajbhandari et al., 2020) as DeepSpeed has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import Field, PrivateAttr

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_parallel.spreading import Spreading, quantises

OLDEST = (0, 19)
"""The first DeepSpeed that leaves it to its caller when a step ends."""


class Zero(Spreading):
    """Every GPU keeps a part of the optimiser's states and of the fp32 copies, and steps it.

    So it does, from stage 2 on, with gradients, and in stage 3 with weights.
    """

    id = "zero"
    summary = "optimiser states, gradients and weights cut up over --gpus, by stage (DeepSpeed)"
    spreads = "data"
    scales = False
    packages = ("deepspeed",)
    keeps_copies = True

    stage: int = Field(
        2, ge=1, le=3, description="What is cut up: states (1), gradients too (2), weights too (3)."
    )

    _model: Any = PrivateAttr(None)
    """What training steps call; its engine is DeepSpeed's, once there is an optimiser."""

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """DeepSpeed keeps fp32 copies of weights in bf16, where the default rounds them."""
        if settings.numerics.update != "stochastic":
            return settings
        return settings.model_copy(update={"precision": "bf16-master"})

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """It is DeepSpeed that trains, in one type of weights."""
        if not installed():
            return (
                "zero needs DeepSpeed 0.19 or later: pip install deepspeed, "
                "or take fsdp, which cuts up the same."
            )
        numerics = settings.numerics
        if numerics.autocast or numerics.loses_updates:
            return f"zero does not train in {settings.precision}: take --precision bf16-master."
        return super().skip(settings, environment)

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """Packed weights are of a type that DeepSpeed has no parts of."""
        for other in others:
            if quantises(other):
                return (
                    f"'{other.id}' and 'zero' cannot be joined, as DeepSpeed does not cut up "
                    "packed weights: write 'lora+4-bit+fsdp' or 'qlora(paged=false)+fsdp'."
                )
            if other.group == "adaptation" and other.id not in ("full", "lora"):
                return (
                    f"'{other.id}' was not tried with 'zero': "
                    f"write 'lora+zero' or '{other.id}+ddp'."
                )
        return super().refuses(others)

    def distribute(self, model: Any, mesh: Any) -> Any:
        """The model as it is, until `optimizer` hands it to DeepSpeed."""
        from llmbench_parallel.engine import Engine

        self._model = Engine(model)
        return self._model

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """AdamW, each GPU stepping its part of the weights."""
        from llmbench_parallel.engine import PartedAdamW

        return PartedAdamW(self._model, list(parameters), self.stage, settings)

    def gather(self, model: Any) -> None:
        """Gather every weight for good."""
        self._model.gather()


def installed() -> bool:
    """Whether there is a DeepSpeed that is recent enough."""
    try:
        found = version("deepspeed")
    except PackageNotFoundError:
        return False
    return tuple(int(n) for n in found.split(".")[:2]) >= OLDEST
