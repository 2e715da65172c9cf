"""Weights in few bits by other libraries than bitsandbytes, and training that is aware of them."""

from __future__ import annotations

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench_quantization.hqq import Hqq
from llmbench_quantization.qat import Qat
from llmbench_quantization.torchao import TorchAo

STRATEGIES: tuple[type[Strategy], ...] = (TorchAo, Hqq, Qat)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer all of them."""
    for strategy in STRATEGIES:
        register(strategy)
