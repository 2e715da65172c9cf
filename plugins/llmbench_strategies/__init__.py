"""The built-in strategies: a file and a line each."""

from collections.abc import Callable
from pkgutil import resolve_name

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy

PLACES = (
    "full:Full",
    "lora:Lora",
    "lora_fa:LoraFa",
    "qlora:Qlora",
    "eight_bit:EightBit",
    "four_bit:FourBit",
    "flash_attention:FlashAttention",
    "gradient_checkpointing:GradientCheckpointing",
    "eager_attention:EagerAttention",
    "precision:Precision",
    "learning_rate:LearningRate",
    "base:Base",
)
"""Modules of this package, and the class of each."""
STRATEGIES: tuple[type[Strategy], ...] = tuple(resolve_name(f"{__name__}.{p}") for p in PLACES)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer all of them."""
    for strategy in STRATEGIES:
        register(strategy)
