"""Strategies that train a cell on several GPUs, a process each: `--gpus 2`."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench_parallel.ddp import Ddp
from llmbench_parallel.fsdp import Fsdp
from llmbench_parallel.tensor import TensorParallel
from llmbench_parallel.zero import Zero


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer them."""
    for strategy in (Ddp, Fsdp, Zero, TensorParallel):
        register(strategy)
