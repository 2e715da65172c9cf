"""Strategies that train a cell on several GPUs, a process each: `--gpus 2`."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench_parallel.ddp import Ddp
from llmbench_parallel.fsdp import Fsdp
from llmbench_parallel.tensor import TensorParallel


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer them."""
    for strategy in (Ddp, Fsdp, TensorParallel):
        register(strategy)
