"""A model with defaults: an alias with settings that suit it, which the command line overrides."""

from __future__ import annotations

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.model import Model

LLMBENCH_HOOKS = 1

SHORT_SMOLLM = Model(
    id="short-smollm",
    summary="SmolLM2-135M for short texts: sequences of 256 tokens, in batches of 16",
    hub_id="HuggingFaceTB/SmolLM2-135M",
    defaults={"seq_len": 256, "batch_size": 16, "max_new_tokens": 32},
    seeds=3,
)


@hookimpl
def register_models(register: Callable[[Model], None]) -> None:
    """Offer `short-smollm`."""
    register(SHORT_SMOLLM)
