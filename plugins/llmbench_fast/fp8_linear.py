"""Linear layers in 8-bit floating point, and how transformers makes them: worker code."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from llmbench_fast.transposing import transposed

NAME = "e4m3"
STORED, GRADIENT = torch.float8_e4m3fn, torch.float8_e5m2
"""4 bits of exponent and 3 of mantissa for values, 5 and 2 for gradients, whose range is wider."""
LEAST_SCALE = 1e-12
"""What a scale is at least, so that zeros can be divided by it."""
GRAIN = 16
"""What sizes of a product must be multiples of, for cuBLAS and CUTLASS alike."""


def rounded(
    tensor: torch.Tensor, kind: torch.dtype, by_row: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix in 8 bits, and its scales in fp32: (rows, 1) or a scalar. Values are the product."""
    most = torch.finfo(kind).max
    wide = tensor.float()
    size = wide.abs().amax(dim=1, keepdim=True) if by_row else wide.abs().amax()
    scale = (size / most).clamp(min=LEAST_SCALE)
    return (wide / scale).clamp(-most, most).to(kind), scale


def product(
    left: tuple[torch.Tensor, torch.Tensor],
    right: tuple[torch.Tensor, torch.Tensor],
    kind: torch.dtype,
    emulated: bool,
) -> torch.Tensor:
    """`left @ right.T` of rounded matrices with their scales, in the type `kind`.

    `right` has a scale for each row, `left` one for each or one for all. The matrix units take
    scales of one sort alone: where `left` has one, those of `right` are multiplied in afterwards.
    """
    (a, of_a), (b, of_b) = left, right
    if emulated:
        return ((a.float() * of_a) @ (b.float() * of_b).t()).to(kind)
    # The matrix units read both operands along their rows.
    by_row = of_a.dim() > 0
    beside = of_b.t() if by_row else torch.ones_like(of_a)
    made = torch._scaled_mm(a, b.t(), of_a, beside, out_dtype=kind, use_fast_accum=True)
    return made if by_row else (made * of_b.t()).to(kind)


class Product(torch.autograd.Function):
    """`input @ weight.T` for a frozen weight in e4m3. Nothing of the input is kept."""

    @staticmethod
    def forward(
        ctx: Any,
        values: torch.Tensor,
        weight: torch.Tensor,
        scale: torch.Tensor,
        by_row: bool,
        emulated: bool,
    ) -> torch.Tensor:
        """Inputs (tokens, in), weight (out, in) and its scales (out, 1): (tokens, out)."""
        ctx.save_for_backward(weight, scale)
        ctx.by_row, ctx.emulated = by_row, emulated
        left = rounded(values, STORED, by_row)
        return product(left, (weight, scale), values.dtype, emulated)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradient by the input.

        Its sum runs over the weight's rows, whose scales are therefore the gradient's to take. The
        weight is transposed here: a second copy would be as large as all that fp8 saves.
        """
        weight, scale = ctx.saved_tensors
        by_column = transposed(weight, grads[0])
        left = rounded(grads[0] * scale.t(), GRADIENT, ctx.by_row)
        right = by_column, scale.new_ones(len(by_column), 1)
        made = product(left, right, grads[0].dtype, ctx.emulated)
        return made, None, None, None, None


class Fp8Linear(nn.Linear):
    """A frozen linear layer whose weight is in e4m3, each of its rows with a scale."""

    scale: torch.Tensor

    def __init__(
        self,
        weight: torch.Tensor,
        scale: torch.Tensor,
        bias: torch.Tensor | None,
        compute_dtype: torch.dtype,
        by_row: bool,
        emulated: bool,
    ) -> None:
        """Of a rounded weight (out, in) and its scales (out, 1)."""
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.compute_dtype = compute_dtype  # what peft makes adapters in
        self.by_row, self.emulated = by_row, emulated
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.register_buffer("scale", scale)
        given = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.register_parameter("bias", given)

    @classmethod
    def of(cls, layer: nn.Linear, by_row: bool, emulated: bool) -> Fp8Linear:
        """Round a layer's weight; its bias stays as it is."""
        weight, scale = rounded(layer.weight.detach(), STORED, by_row=True)
        return cls(weight, scale, layer.bias, layer.weight.dtype, by_row, emulated)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Of (..., in), (..., out)."""
        rows = input.reshape(-1, self.in_features)
        options = self.by_row, self.emulated
        made: torch.Tensor = Product.apply(rows, self.weight, self.scale, *options)  # type: ignore[no-untyped-call]
        made = made.view(*input.shape[:-1], self.out_features)
        return made if self.bias is None else made + self.bias


@register_quantization_config(NAME)
class Config(QuantizationConfigMixin):
    """What transformers is told."""

    def __init__(self, scaling: str = "row", emulated: bool = False, **_: Any) -> None:
        self.quant_method: Any = NAME
        self.scaling, self.emulated = scaling, emulated


@register_quantizer(NAME)
class Quantizer(HfQuantizer):
    """Rounds the layers of a model that has been loaded whole."""

    quantization_config: Config

    def is_serializable(self) -> bool:
        """Its weights and scales are tensors of the model's."""
        return True

    @property
    def is_trainable(self) -> bool:
        """Adapters beside it are."""
        return True

    def _process_model_after_weight_loading(self, model: Any, **_: Any) -> Any:
        config, head = self.quantization_config, model.get_output_embeddings()
        for parent in list(model.modules()):
            for name, layer in list(parent.named_children()):
                if layer is not head and fits(layer):
                    made = Fp8Linear.of(layer, config.scaling == "row", config.emulated)
                    setattr(parent, name, made)
        return model


def fits(layer: Any) -> bool:
    """Whether it is a plain linear layer of sizes that the matrix units take."""
    if type(layer) is not nn.Linear:
        return False
    return layer.in_features % GRAIN == 0 and layer.out_features % GRAIN == 0
