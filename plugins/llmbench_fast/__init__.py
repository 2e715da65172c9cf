"""Strategies that make training faster, and change nothing of what is computed."""

from __future__ import annotations

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench_fast.compile import Compile
from llmbench_fast.cross_entropy import FusedCrossEntropy

STRATEGIES: tuple[type[Strategy], ...] = (Compile, FusedCrossEntropy)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer all of them."""
    for strategy in STRATEGIES:
        register(strategy)
