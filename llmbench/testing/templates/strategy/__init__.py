"""The strategy `placeholder` for llmbench."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings

LLMBENCH_HOOKS = 1


class PlaceholderStrategy(Strategy):
    """Trains the last layers alone. Put your method in place of it."""

    id = "placeholder"
    summary = "the last layers are trained, all others stay frozen"
    group = "adaptation"

    layers: int = Field(1, ge=1, description="How many of the last layers are trained.")

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the rest. Import torch, peft and the like in here, never above."""
        model.requires_grad_(False)
        for layer in model.get_decoder().layers[-self.layers :]:
            layer.requires_grad_(True)
        return model


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `placeholder`."""
    register(PlaceholderStrategy)
