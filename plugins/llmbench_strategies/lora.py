"""LoRA (Hu et al., 2021): frozen weights, small trained matrices beside them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_strategies.adapter import adapted


class Lora(Strategy):
    """Low-rank adapters through peft.

    The learning rate is ten times that of full fine-tuning, which Schulman et al. ("LoRA Without
    Regret", Thinking Machines, 2025) found to suit it over a wide range of models.
    """

    id = "lora"
    summary = "the model stays frozen; small low-rank adapters beside its weights are trained"
    group = "adaptation"

    variant: ClassVar[Mapping[str, Any]] = {}
    """What else peft's configuration has, for those that are LoRA with another constant."""

    r: int = Field(16, ge=1, description="Rank of the adapters.")
    alpha: int = Field(32, ge=1, description="Scale: the adapters' output times alpha / r.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on the adapters' input.")
    targets: str = Field("all-linear", description="Modules to adapt, joined with '|'.")
    learning_rate_factor: float = Field(
        10.0, gt=0, description="Learning rate as a multiple of full fine-tuning's."
    )

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the higher learning rate."""
        rate = settings.learning_rate * self.learning_rate_factor
        return settings.model_copy(update={"learning_rate": rate})

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model and add the adapters."""
        from peft import LoraConfig

        return adapted(
            model,
            LoraConfig,
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.target_modules(),
            **self.variant,
        )

    def target_modules(self) -> str | list[str]:
        """The targets as peft takes them."""
        return self.targets if self.targets == "all-linear" else self.targets.split("|")
