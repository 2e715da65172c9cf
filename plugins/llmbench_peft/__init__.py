"""Methods of peft as strategies: those that people type, and any other by its name."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench_peft import low_rank, others, pissa
from llmbench_peft.method import Peft

STRATEGIES: tuple[type[Strategy], ...] = (
    low_rank.Dora,
    low_rank.RsLora,
    pissa.Pissa,
    low_rank.LoraPlus,
    low_rank.AdaLora,
    others.Ia3,
    others.Vera,
    others.Oft,
    others.Boft,
    others.LoHa,
    others.LoKr,
    others.LnTuning,
    others.PromptTuning,
    others.PrefixTuning,
    Peft,
)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer all of them."""
    for strategy in STRATEGIES:
        register(strategy)
