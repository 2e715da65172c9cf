"""(IA)3 (Liu et al., 2022): frozen weights, and trained vectors that scale what passes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field

from llmbench import hookimpl
from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings


class Ia3(Strategy):
    """Scales keys, values and the feed-forward's inner activations, through peft.

    It trains a few thousand numbers, which take far larger steps than weights do: the paper's
    learning rate is 3e-3 where full fine-tuning takes 1e-5 to 3e-4.
    """

    id = "ia3"
    summary = "frozen weights, trained vectors that scale activations"
    group = "adaptation"

    learning_rate_factor: float = Field(
        30.0, gt=0, description="Learning rate as a multiple of full fine-tuning's."
    )

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the higher learning rate."""
        rate = settings.learning_rate * self.learning_rate_factor
        return settings.model_copy(update={"learning_rate": rate})

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model and add the vectors, where peft knows the architecture's modules."""
        from peft import IA3Config, get_peft_model

        return get_peft_model(model, IA3Config(task_type="CAUSAL_LM"), autocast_adapter_dtype=False)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `ia3`."""
    register(Ia3)
