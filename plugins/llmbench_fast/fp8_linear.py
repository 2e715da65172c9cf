"""Linear layers in 8-bit floating point, and how transformers makes them: worker code."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

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
    """`left @ right.T` of rounded matrices with their scales, rows by rows, added up in fp32."""
    (a, of_a), (b, of_b) = left, right
    by_row = of_b.t() if of_b.dim() else of_b
    if emulated:
        return ((a.float() * of_a) @ (b.float().t() * by_row)).to(kind)
    # The matrix units read both operands along their rows.
    return torch._scaled_mm(a, b.t(), of_a, by_row, out_dtype=kind, use_fast_accum=True)


class Product(torch.autograd.Function):
    """`input @ weight.T` for a frozen weight in e4m3. Nothing of the input is kept."""

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor, emulated: bool
    ) -> torch.Tensor:
        """Inputs (tokens, in), weight (out, in), its scales (out, 1) or a scalar: (tokens, out)."""
        ctx.save_for_backward(weight, scale)
        ctx.emulated = emulated
        left = rounded(values, STORED, by_row=scale.dim() > 0)
        return product(left, (weight, scale), values.dtype, emulated)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradient by the input.

        Its sum runs over the weight's rows, whose scales are therefore the gradient's to take. The
        weight is turned on the way: a second copy would be as large as all that fp8 saves.
        """
        weight, scale = ctx.saved_tensors
        (grad,) = grads
        turned = weight.t().contiguous()
        by_row = scale.dim() > 0
        if by_row:
            grad, scale = (
                grad.float() * scale.t(),
                torch.ones_like(turned[:, :1], dtype=scale.dtype),
            )
        left = rounded(grad, GRADIENT, by_row)
        return product(left, (turned, scale), grads[0].dtype, ctx.emulated), None, None, None


class Fp8Linear(nn.Linear):
    """A frozen linear layer whose weight is in e4m3."""

    scale: torch.Tensor

    def __init__(self, layer: nn.Linear, by_row: bool, emulated: bool) -> None:
        """Round a layer's weight; its bias stays as it is."""
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.compute_dtype = layer.weight.dtype  # what peft makes adapters in
        weight, scale = rounded(layer.weight.detach(), STORED, by_row)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = layer.bias
        self.emulated = emulated
        self.register_buffer("scale", scale)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Of (..., in), (..., out)."""
        rows = input.reshape(-1, self.in_features)
        made: torch.Tensor = Product.apply(rows, self.weight, self.scale, self.emulated)  # type: ignore[no-untyped-call]
        made = made.view(*input.shape[:-1], self.out_features)
        return made if self.bias is None else made + self.bias


@register_quantization_config(NAME)
class Config(QuantizationConfigMixin):
    """What transformers is told."""

    def __init__(self, scaling: str = "tensor", emulated: bool = False, **_: Any) -> None:
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
                    made = Fp8Linear(layer, config.scaling == "row", config.emulated)
                    setattr(parent, name, made)
        return model


def fits(layer: Any) -> bool:
    """Whether it is a plain linear layer of sizes that the matrix units take."""
    sizes = (layer.in_features, layer.out_features) if type(layer) is nn.Linear else (1,)
    return all(size % GRAIN == 0 for size in sizes)
