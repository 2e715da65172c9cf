"""Strategies that make training faster."""

from __future__ import annotations

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench_fast.activation_budget import ActivationBudget
from llmbench_fast.compile import Compile
from llmbench_fast.cross_entropy import FusedCrossEntropy
from llmbench_fast.cuda_graphs import CudaGraphs
from llmbench_fast.cudnn_attention import CudnnAttention
from llmbench_fast.fp8 import Fp8
from llmbench_fast.fused_lora import FusedLora
from llmbench_fast.packing import Packing

STRATEGIES: tuple[type[Strategy], ...] = (
    Compile,
    FusedCrossEntropy,
    ActivationBudget,
    CudaGraphs,
    CudnnAttention,
    Fp8,
    FusedLora,
    Packing,
)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer all of them."""
    for strategy in STRATEGIES:
        register(strategy)
