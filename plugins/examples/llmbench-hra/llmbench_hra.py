"""Householder reflections (Yuan et al., 2024): frozen weights, turned by what trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field

from llmbench import hookimpl
from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings


class Hra(Strategy):
    """Turns the weights of linear layers by a chain of trained reflections, through peft."""

    id = "hra"
    summary = "frozen weights, turned by trained reflections"
    group = "adaptation"

    learning_rate_factor: float = Field(
        30.0, gt=0, description="Learning rate as a multiple of full fine-tuning's."
    )

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the higher learning rate."""
        rate = settings.learning_rate * self.learning_rate_factor
        return settings.model_copy(update={"learning_rate": rate})

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model and add the reflections."""
        from peft import HRAConfig, get_peft_model

        config = HRAConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM")
        return get_peft_model(model, config, autocast_adapter_dtype=False)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `hra`."""
    register(Hra)
