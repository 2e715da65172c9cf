"""A base quantised by HQQ (Badri and Shaji, 2023), with an adapter to train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings
from llmbench_quantization.missing import missing


class Hqq(Strategy):
    """Half-quadratic quantisation: the zeros of groups of weights are fitted, without any data.

    The package hqq packs the linear layers of a model that was loaded whole, since transformers
    (5.24) does not do it while it loads: loading takes the memory of the whole weights. The output
    layer is left out. Memory is not predicted.
    """

    id = "hqq"
    summary = "LoRA on weights that HQQ holds in 8 to 1 bits each"
    group = "quantization"
    saves_memory = "weights"
    stands_on = "lora"
    packages = ("hqq",)
    in_all = False

    bits: Annotated[Literal[8, 4, 3, 2, 1], BeforeValidator(int)] = Field(
        4, description="Bits of a weight."
    )
    group_size: int = Field(64, ge=8, description="Weights that share a scale and a zero.")

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """The package must be there."""
        return missing(self.id, "hqq")

    def load(self, source: str, options: Mapping[str, Any], settings: Settings) -> Any:
        """Load the whole model, and pack its linear layers one by one."""
        import torch
        from torch.nn import Linear
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

        whose = {name: options[name] for name in ("revision", "trust_remote_code")}
        paired = AutoConfig.from_pretrained(source, **whose).is_encoder_decoder
        auto = AutoModelForSeq2SeqLM if paired else AutoModelForCausalLM
        model: Any = auto.from_pretrained(source, **options)
        compute, head = getattr(torch, settings.numerics.compute), model.get_output_embeddings()
        layers = {n: m for n, m in model.named_modules() if isinstance(m, Linear) and m is not head}
        if not layers:
            raise CannotRun("This model has no plain linear layers, and hqq packs no others.")
        for name, layer in layers.items():
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, self.packed(layer, compute))
        model.is_quantized = True
        return model

    def packed(self, layer: Any, compute: Any) -> Any:
        """The layer in few bits; CannotRun where groups do not fit."""
        from hqq.core.quantize import BaseQuantizeConfig, HQQLinear

        if layer.weight.numel() % self.group_size:
            raise CannotRun(
                f"Groups of {self.group_size} do not divide the {layer.weight.numel()} weights of "
                f"a layer: take another size, as in {self.id}(group_size=32)."
            )
        config = BaseQuantizeConfig(nbits=self.bits, group_size=self.group_size, axis=1)
        device = str(layer.weight.device)
        made = HQQLinear(layer, config, compute_dtype=compute, device=device)
        made.W_q.stands_for = made.meta["shape"]  # for whoever counts weights
        return made
