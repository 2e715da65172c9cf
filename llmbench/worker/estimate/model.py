"""The base model on the meta device, quantised if asked: shapes and types, no weights."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from llmbench.record import ModelRef
from llmbench.strategy import CannotRun

META = torch.device("meta")


def meta_model(source: str, ref: ModelRef, kwargs: dict[str, Any]) -> Any:
    """The architecture with the types that loading it with these arguments would give it."""
    trusted = ref.remote_code
    config = AutoConfig.from_pretrained(source, revision=ref.revision, trust_remote_code=trusted)
    quantization = kwargs.pop("quantization_config", None)
    if kwargs.get("attn_implementation") == "flash_attention_2":
        # The package's kernels want a GPU; torch's keep the same.
        kwargs["attn_implementation"] = "sdpa"
    with META:
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trusted, **kwargs)
    return model if quantization is None else quantized(model, quantization)


def quantized(model: Any, quantization: Any) -> Any:
    """The model as transformers' quantiser for bitsandbytes leaves it."""
    from bitsandbytes import functional
    from transformers import BitsAndBytesConfig
    from transformers.quantizers.auto import AutoHfQuantizer

    if not isinstance(quantization, BitsAndBytesConfig):
        raise CannotRun(f"{type(quantization).__name__} is not known to the simulation.")
    # It is cached where it is first asked for: on the meta device it would be of no use.
    functional.name2qmap.setdefault("dynamic", functional.create_dynamic_map())
    dtype = model.dtype
    quantizer = AutoHfQuantizer.from_config(quantization, pre_quantized=False)
    quantizer.preprocess_model(model, dtype=dtype, device_map={"": "meta"})
    for module in model.modules():
        pack(module, dtype)
    model.hf_quantizer = quantizer
    return quantizer.postprocess_model(model)


def pack(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Quantise a layer's weight with bitsandbytes' own code, which runs on meta tensors as well."""
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    if not isinstance(module, Linear4bit | Linear8bitLt):
        return
    weight: Any = module.weight
    weight.data = weight.data.to(dtype)
    weight._quantize(META)
    if module.bias is not None:
        module.bias.data = module.bias.data.to(dtype)
