"""The built-in metrics."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.metric import Metric
from llmbench_metrics.evaluate import Evaluate
from llmbench_metrics.rouge import Rouge


@hookimpl
def register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Offer `rouge` and `evaluate:NAME`."""
    register(Rouge)
    register(Evaluate)
