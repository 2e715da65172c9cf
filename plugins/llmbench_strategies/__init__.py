"""The built-in strategies, one file each."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench_strategies.base import Base
from llmbench_strategies.eager_attention import EagerAttention
from llmbench_strategies.eight_bit import EightBit
from llmbench_strategies.flash_attention import FlashAttention
from llmbench_strategies.four_bit import FourBit
from llmbench_strategies.full import Full
from llmbench_strategies.gradient_checkpointing import GradientCheckpointing
from llmbench_strategies.learning_rate import LearningRate
from llmbench_strategies.lora import Lora
from llmbench_strategies.precision import Precision
from llmbench_strategies.qlora import Qlora

STRATEGIES: tuple[type[Strategy], ...] = (
    Full,
    Lora,
    Qlora,
    EightBit,
    FourBit,
    FlashAttention,
    GradientCheckpointing,
    EagerAttention,
    Precision,
    LearningRate,
    Base,
)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer all of them."""
    for strategy in STRATEGIES:
        register(strategy)
