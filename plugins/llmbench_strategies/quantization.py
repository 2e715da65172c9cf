"""What the strategies on quantised weights share."""

from __future__ import annotations

from typing import Any

from llmbench.record.settings import Settings


def four_bits(
    settings: Settings, double_quantization: bool, numbers: str = "nf4"
) -> dict[str, Any]:
    """Loading with weights in 4 bits, NormalFloat (Dettmers et al., 2023) or `fp4`, through
    bitsandbytes.
    """
    import torch
    from transformers import BitsAndBytesConfig

    # The bytes are the same: only what has a floating point can be cut up over GPUs.
    stored = torch.uint8 if settings.gpus == 1 else getattr(torch, settings.numerics.frozen)
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=numbers,
            bnb_4bit_use_double_quant=double_quantization,
            bnb_4bit_compute_dtype=getattr(torch, settings.numerics.compute),
            bnb_4bit_quant_storage=stored,
        )
    }


def int8(threshold: float) -> dict[str, Any]:
    """Loading with LLM.int8() weights (Dettmers et al., 2022), through bitsandbytes."""
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=threshold)
    return {"quantization_config": config}
