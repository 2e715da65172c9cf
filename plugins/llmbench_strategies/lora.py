"""LoRA (Hu et al., 2021): frozen weights, small trained matrices beside them."""

from typing import Any

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings

PAST_ADAPTERS = {
    "falcon_h1": ["out_proj", "conv1d"],
    "falcon_mamba": ["out_proj", "conv1d"],
    "mamba": ["out_proj", "conv1d"],
    "mamba2": ["out_proj", "conv1d"],
    "nemotron_h": ["out_proj", "conv1d"],
}
"""Kinds of models whose kernels read these layers' weights themselves, past any adapter."""


class Lora(Strategy):
    """Low-rank adapters through peft.

    The learning rate is ten times that of full fine-tuning, which Schulman et al. ("LoRA Without
    Regret", Thinking Machines, 2025) found to suit it over a wide range of models.
    """

    id = "lora"
    summary = "the model stays frozen; small low-rank adapters beside its weights are trained"
    group = "adaptation"

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
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.target_modules(),
            exclude_modules=PAST_ADAPTERS.get(model.config.model_type),
            task_type="SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM",
        )
        # The harness gives trained weights their type, the same in all cells.
        return get_peft_model(model, config, autocast_adapter_dtype=False)

    def target_modules(self) -> str | list[str]:
        """The targets as peft takes them."""
        return self.targets if self.targets == "all-linear" else self.targets.split("|")
