"""Full fine-tuning aware of the bits that weights will be packed in (Jacob et al., 2018)."""

from __future__ import annotations

from math import gcd
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench_quantization.missing import missing
from llmbench_strategies.full import Full


class Qat(Full):
    """Computes with every linear layer's weights rounded, and trains them as they are.

    The rounding is torchao's, symmetric and by groups of weights, and passes gradients as if it
    were not there; the output layer is left out. What is evaluated is the rounded model. What is
    saved are the whole weights: packed with torchao's `IntxWeightOnlyConfig` of the same bits and
    groups, they compute what was evaluated. It takes more memory and time than full fine-tuning,
    and how much is not predicted.
    """

    id = "qat"
    summary = "every weight is trained, rounded to few bits wherever it is used (torchao)"
    packages = ("torchao",)
    in_all = False
    packed_later = "Its weights are for packing: as they are saved, they are not rounded yet."

    bits: Annotated[Literal[8, 4, 3, 2], BeforeValidator(int)] = Field(
        4, description="Bits that a weight is rounded to."
    )
    group_size: int = Field(32, ge=1, description="Weights of a row that share a scale.")

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """The package must be there."""
        return missing(self.id, "torchao")

    def starts_elsewhere(self) -> str | None:
        """Rounding is a change before anything is learnt."""
        return f"Its weights are rounded to {self.bits} bits from the start."

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Train everything, and round in the linear layers."""
        import torch
        from torchao.quantization import quantize_
        from torchao.quantization.qat import IntxFakeQuantizeConfig, QATConfig

        layers = self.layers(super().prepare(model, settings))
        if next(model.parameters()).is_meta:  # no prediction was held against a measured peak yet
            raise CannotRun("Memory of weights that are rounded at every use is not predicted.")
        rounding = IntxFakeQuantizeConfig(
            getattr(torch, f"int{self.bits}"), group_size=self.group_size, is_symmetric=True
        )
        quantize_(
            model,
            QATConfig(weight_config=rounding, step="prepare"),
            filter_fn=lambda module, name: id(module) in layers,
        )
        return model

    def layers(self, model: Any) -> set[int]:
        """The ids of the layers to round; CannotRun where there are none, or groups do not fit."""
        from torch.nn import Linear

        head = model.get_output_embeddings()
        found = [m for m in model.modules() if isinstance(m, Linear) and m is not head]
        if not found:
            raise CannotRun("This model has no plain linear layers, and torchao rounds no others.")
        divisor = gcd(*(m.in_features for m in found))
        if divisor % self.group_size:
            raise CannotRun(
                f"Groups of {self.group_size} do not divide every layer's inputs: "
                f"take {self.id}(group_size={divisor}), or one that divides {divisor}."
            )
        return set(map(id, found))
