"""Another precision: weights in fp32, products in fp16, and the loss scaled so that it counts."""

from __future__ import annotations

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings

LLMBENCH_HOOKS = 1


class Fp16(Strategy):
    """What `precision(to=fp16-mixed)` is, under a name of its own."""

    id = "fp16"
    summary = "mixed precision in fp16 with a scaled loss (Micikevicius et al., 2018)"
    group = "precision"
    in_all = False

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """The scaler of the loss is for GPUs."""
        return None if environment.device == "cuda" else "Training in fp16 needs a GPU."

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the precision: the report names it beside what the others have."""
        return settings.model_copy(update={"precision": "fp16-mixed"})


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `fp16`."""
    register(Fp16)
