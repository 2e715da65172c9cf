"""What peft puts beside a frozen model, the same way for every strategy that brings some."""

from __future__ import annotations

from typing import Any

PAST_ADAPTERS = {
    "falcon_h1": ["out_proj", "conv1d"],
    "falcon_mamba": ["out_proj", "conv1d", "dt_proj"],
    "jamba": ["dt_proj"],
    "mamba": ["out_proj", "conv1d", "dt_proj"],
    "mamba2": ["out_proj", "conv1d"],
    "nemotron_h": ["out_proj", "conv1d"],
}
"""Kinds of models whose code reads these layers' weights itself, past any adapter."""


def adapted(model: Any, kind: Any, **options: Any) -> Any:
    """The model, frozen, with what a configuration of peft of that kind adds to it. Worker."""
    from peft import get_peft_model

    past = PAST_ADAPTERS.get(model.config.model_type)
    if past and "exclude_modules" in kind.__dataclass_fields__:
        options.setdefault("exclude_modules", past)
    if options.get("target_modules") == "all-linear":
        options["target_modules"] = hqq_layers(model) or "all-linear"
    options["task_type"] = task_of(model)
    # The harness gives trained weights their type, the same in all cells.
    return get_peft_model(model, kind(**options), autocast_adapter_dtype=False)


def task_of(model: Any) -> str | None:
    """What peft calls the model's task; None for one that writes no text."""
    if not getattr(model, "writes_text", True):
        return None
    return "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"


def hqq_layers(model: Any) -> list[str]:
    """The names of layers that hqq has packed, which peft's all-linear does not know."""
    return [name for name, module in model.named_modules() if type(module).__name__ == "HQQLinear"]
