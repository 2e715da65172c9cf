"""What the strategies on quantised weights share."""

from __future__ import annotations

from typing import Any

from llmbench.record.settings import Settings


def nf4(settings: Settings, double_quantization: bool) -> dict[str, Any]:
    """Loading with 4-bit NormalFloat weights (Dettmers et al., 2023), through bitsandbytes."""
    import torch
    from transformers import BitsAndBytesConfig

    # The bytes are the same: only what has a floating point can be cut up over GPUs.
    stored = torch.uint8 if settings.gpus == 1 else getattr(torch, settings.numerics.frozen)
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=double_quantization,
            bnb_4bit_compute_dtype=getattr(torch, settings.numerics.compute),
            bnb_4bit_quant_storage=stored,
        )
    }


def int8() -> dict[str, Any]:
    """Loading with LLM.int8() weights (Dettmers et al., 2022), through bitsandbytes."""
    from transformers import BitsAndBytesConfig

    return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
