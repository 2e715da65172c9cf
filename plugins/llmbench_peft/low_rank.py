"""Kin of LoRA: a product of small matrices, made, scaled or stepped in another way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from llmbench.machine import Environment
from llmbench.record.settings import Settings
from llmbench_peft.method import PeftMethod, configuration


class LowRank(PeftMethod):
    """Base of those that are LoRA with another constant."""

    peft_type = "lora"

    r: int = Field(16, ge=1, description="Rank of the adapters.")
    alpha: int = Field(32, ge=1, description="Scale of the adapters' output.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on the adapters' input.")

    def options(self) -> dict[str, Any]:
        """LoRA's options as peft names them."""
        return {
            "r": self.r,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "target_modules": "all-linear",
        }


class Dora(LowRank):
    """Magnitude and direction of each weight apart (Liu et al., 2024)."""

    id = "dora"
    summary = "LoRA that trains each weight's magnitude beside its direction"

    def options(self) -> dict[str, Any]:
        """LoRA with DoRA's magnitudes."""
        return {**super().options(), "use_dora": True}


class RsLora(LowRank):
    """Scaled by alpha over the root of the rank (Kalajdzievski, 2023)."""

    id = "rslora"
    summary = "LoRA scaled by alpha / sqrt(r), for higher ranks"

    def options(self) -> dict[str, Any]:
        """LoRA with that scale."""
        return {**super().options(), "use_rslora": True}


class Pissa(LowRank):
    """Adapters that start as the weights' largest singular values (Meng et al., 2024).

    The base keeps the rest, so that weights that are quantised already cannot be its base.
    """

    id = "pissa"
    summary = "LoRA that starts from the weights' largest singular values"
    also_claims = frozenset({"quantization"})

    alpha: int = Field(16, ge=1, description="Scale of the adapters' output; r, as in the paper.")

    def options(self) -> dict[str, Any]:
        """LoRA with that start, by a fast singular value decomposition of 4 iterations."""
        return {**super().options(), "init_lora_weights": "pissa_niter_4"}


class LoraPlus(LowRank):
    """A higher learning rate for the matrix that starts at zero (Hayou et al., 2024)."""

    id = "lora-plus"
    summary = "LoRA whose second matrix has a learning rate 16 times as high"

    ratio: float = Field(16.0, ge=1, description="Rate of the second matrix over the first's.")
    learning_rate_factor: float = Field(
        5.0, gt=0, description="Learning rate of the first matrix as a multiple of full's."
    )

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """AdamW with two groups of weights."""
        from torch.optim import AdamW

        second = [w for name, w in named.items() if "lora_B" in name]
        first = [w for name, w in named.items() if "lora_B" not in name]
        rate = settings.learning_rate
        groups: list[dict[str, Any]] = [
            {"params": first},
            {"params": second, "lr": rate * self.ratio},
        ]
        return AdamW(groups, lr=rate, weight_decay=settings.weight_decay)


class AdaLora(PeftMethod):
    """Ranks that move to where they matter, by a singular value form (Zhang et al., 2023)."""

    id = "adalora"
    summary = "LoRA in singular value form that prunes ranks while it trains"
    peft_type = "adalora"

    init_r: int = Field(24, ge=1, description="Rank of each matrix at first.")
    target_r: int = Field(16, ge=1, description="Mean rank at the end.")
    alpha: int = Field(32, ge=1, description="Scale of the adapters' output.")

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """It reads the gradients of its own weights, which move to copies in some precisions."""
        if settings.numerics.update == "master":
            return f"adalora cannot see its gradients in {settings.precision}: take another."
        return None

    def starts_elsewhere(self) -> str | None:
        """Its singular values start as small random numbers, as in the paper's code."""
        return "AdaLoRA starts with small random singular values, so its first loss differs a bit."

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Prune from a tenth of the steps on, and train the last third at the final ranks."""
        from peft import get_peft_model

        options = {
            "init_r": self.init_r,
            "target_r": self.target_r,
            "lora_alpha": self.alpha,
            "target_modules": "all-linear",
            "total_step": settings.steps,
            "tinit": settings.steps // 10,
            "tfinal": settings.steps // 3,
        }
        config = configuration(self.peft_type, options)
        return get_peft_model(model, config, autocast_adapter_dtype=False)

    def after_step(self, model: Any, number: int) -> None:
        """Weigh the ranks by their gradients, and prune."""
        model.base_model.update_and_allocate(number)
