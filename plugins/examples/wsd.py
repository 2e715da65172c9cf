"""Warm-up, stable, decay (Hu et al., 2024): the learning rate stays at its peak, and falls late."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings

LLMBENCH_HOOKS = 1


class Wsd(Strategy):
    """The warm-up is `--lr-warmup-ratio`'s, and the decay is linear, down to nothing."""

    id = "wsd"
    summary = "the learning rate stays at its peak and falls over the last steps"
    group = "schedule"

    decay: float = Field(0.2, gt=0, le=1, description="Share of the steps over which it falls.")

    def schedule(self, step: int, settings: Settings) -> float:
        """A trapezium: up, level, down."""
        rise = max(1.0, settings.steps * settings.lr_warmup_ratio)
        fall = max(1.0, settings.steps * self.decay)
        return min(1.0, (step + 1) / rise, (settings.steps - step) / fall)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `wsd`."""
    register(Wsd)
