"""Kin of LoRA: a product of small matrices, made, scaled or stepped in another way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from pydantic import Field, PrivateAttr

from llmbench.machine import Environment
from llmbench.record.settings import Settings
from llmbench_peft.method import PeftMethod, unless_refused
from llmbench_strategies.lora import Lora


class LowRank(Lora):
    """Base of those that are LoRA with another constant."""

    in_all = False

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model and add the adapters, where peft can put them on it."""
        way_out = f"; name modules that it can go on, as in {self.id}(targets=q_proj|v_proj)"
        with unless_refused(self.id, way_out):
            return super().prepare(model, settings)


class Dora(LowRank):
    """Magnitude and direction of each weight apart (Liu et al., 2024)."""

    id = "dora"
    summary = "LoRA that trains each weight's magnitude beside its direction"
    variant = MappingProxyType({"use_dora": True})


class RsLora(LowRank):
    """Scaled by alpha over the root of the rank (Kalajdzievski, 2023)."""

    id = "rslora"
    summary = "LoRA scaled by alpha / sqrt(r), for higher ranks"
    variant = MappingProxyType({"use_rslora": True})


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
    objective = "the loss and a penalty on adapters that are not orthogonal"

    init_r: int = Field(24, ge=1, description="Rank of each matrix at first.")
    target_r: int = Field(16, ge=1, description="Mean rank at the end.")
    alpha: int = Field(32, ge=1, description="Scale of the adapters' output.")

    _config: Any = PrivateAttr(None)
    _penalty: float = PrivateAttr(0.0)

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """It reads the gradients of its own weights, which move to copies in some precisions."""
        if settings.numerics.update == "master":
            return f"adalora cannot see its gradients in {settings.precision}: take another."
        return None

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """Prune from a tenth of the steps on, and train the last third at the final ranks."""
        return {
            "init_r": self.init_r,
            "target_r": self.target_r,
            "lora_alpha": self.alpha,
            "target_modules": "all-linear",
            "total_step": settings.steps,
            "tinit": settings.steps // 10,
            "tfinal": settings.steps // 3,
        }

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Add the adapters. peft adds their penalty to whatever loss the model computes, which
        would make a first loss that is none: it is for `training` alone.
        """
        made = super().prepare(model, settings)
        self._config = made.peft_config[made.active_adapter]
        self._config.orth_reg_weight, self._penalty = 0.0, self._config.orth_reg_weight
        return made

    @contextmanager
    def training(self) -> Iterator[None]:
        """The penalty of the paper's equation (4) is part of what a step trains on."""
        self._config.orth_reg_weight = self._penalty
        try:
            yield
        finally:
            self._config.orth_reg_weight = 0.0

    def after_step(self, model: Any, number: int) -> None:
        """Weigh the ranks by their gradients, and prune.

        What a step did not come by, such as an expert that no token chose, has a gradient of zero.
        """
        for weight in model.parameters():
            if weight.requires_grad and weight.grad is None:
                weight.grad = weight.new_zeros(weight.shape)
        model.base_model.update_and_allocate(number)
