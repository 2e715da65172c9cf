"""The model `placeholder` for llmbench."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llmbench import hookimpl
from llmbench.plugin.model import Model

LLMBENCH_HOOKS = 1

PLACEHOLDER_MODEL = Model(
    id="placeholder",
    summary="a small Llama, the shape alone",
    config=Path(__file__).parent,
    defaults={"seq_len": 128},
)
"""With `hub_id="organisation/name"` its weights are found, with `folder=` they come with it."""


@hookimpl
def register_models(register: Callable[[Model], None]) -> None:
    """Offer `placeholder`."""
    register(PLACEHOLDER_MODEL)
