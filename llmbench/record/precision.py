"""The precisions that a cell can train in: the type of its weights, its arithmetic, its updates.

A weight in bf16 has 8 significant bits: an update smaller than half its last bit is lost where it
is rounded to the nearest (Zamirai et al., 2020, "Revisiting BFloat16 Training"). Each precision
says how its updates are kept from that, if they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Type = Literal["float32", "bfloat16", "float16"]
"""As torch names it."""

Update = Literal["nearest", "master", "stochastic"]
"""How a weight takes its update: rounded to the nearest value of its own type, kept in a copy in
fp32 that the weight is rounded from, or rounded up or down at random, right on average."""


@dataclass(frozen=True)
class Numerics:
    """What a precision is made of."""

    summary: str
    frozen: Type
    """Type of weights that are not trained, unless they are quantised."""
    trained: Type
    """Type of trained weights as the forward pass reads them."""
    autocast: Type | None = None
    """What `torch.autocast` casts matrix products to."""
    update: Update = "nearest"
    tf32: bool = False
    """Whether matrix products of fp32 round their inputs to 10 bits."""
    scales_loss: bool = False
    """Whether the loss is scaled, so that small gradients are not lost in fp16."""

    @property
    def bytes(self) -> int:
        """Bytes of a trained weight: itself, its gradient, AdamW's two states, and any copy."""
        if self.update == "master":
            return 2 + 4 + 3 * 4
        return 4 * (4 if self.trained == "float32" else 2)

    @property
    def compute(self) -> Type:
        """Type of the inputs of matrix products."""
        return self.autocast or self.frozen

    @property
    def loses_updates(self) -> bool:
        """Whether an update can be too small for the weight that it is for."""
        return self.trained != "float32" and self.update == "nearest"


LIGHTEST = "bf16-stochastic"
"""Of those that keep every update, the one that takes least memory."""
PRECISIONS = {
    "fp32": Numerics("weights and arithmetic in fp32", "float32", "float32"),
    "tf32": Numerics(
        "weights in fp32, matrix products in TF32 (GPU)", "float32", "float32", tf32=True
    ),
    "bf16-mixed": Numerics(
        "trained weights in fp32 under bf16 autocast, frozen ones in bf16",
        "bfloat16",
        "float32",
        autocast="bfloat16",
    ),
    "bf16-master": Numerics(
        "weights in bf16, updated in a copy in fp32 that the optimiser keeps",
        "bfloat16",
        "bfloat16",
        update="master",
    ),
    "bf16-stochastic": Numerics(
        "weights and optimiser states in bf16, rounded stochastically",
        "bfloat16",
        "bfloat16",
        update="stochastic",
    ),
    "bf16-true": Numerics(
        "weights and optimiser states in bf16, rounded to the nearest: small updates are lost",
        "bfloat16",
        "bfloat16",
    ),
    "fp16-mixed": Numerics(
        "trained weights in fp32 under fp16 autocast with a loss scaler (GPU)",
        "float16",
        "float32",
        autocast="float16",
        scales_loss=True,
    ),
}
"""By what is typed after `--precision`."""
