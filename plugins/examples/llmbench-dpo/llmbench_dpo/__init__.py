"""Direct preference optimisation for llmbench: a strategy, a task and a metric."""

from __future__ import annotations

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.metric import Metric
from llmbench.plugin.strategy import Strategy
from llmbench.plugin.task import Task
from llmbench_dpo.metric import Preference
from llmbench_dpo.strategy import Dpo
from llmbench_dpo.task import PREFERENCE

LLMBENCH_HOOKS = 1


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `dpo`."""
    register(Dpo)


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    """Offer `preference`."""
    register(PREFERENCE)


@hookimpl
def register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Offer `preference`."""
    register(Preference)
