"""Any metric of the `evaluate` library, from the hub or from a local script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmbench.errors import ConfigError
from llmbench.metric import Metric, Score


class Evaluate(Metric):
    """`evaluate:NAME`, or `evaluate:./my_metric.py` for a script that needs no network."""

    id = "evaluate"
    summary = "evaluate:NAME, any metric of the evaluate library or a local metric script"

    @classmethod
    def check(cls, argument: str | None) -> str | None:
        """A name must be there; a script must exist."""
        if not argument:
            return "'evaluate' needs a metric: write evaluate:NAME, or evaluate:path/to/script.py."
        if argument.endswith(".py") and not Path(argument).is_file():
            return f"There is no metric script '{argument}': check the path."
        return None

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """The figures that the metric gives for the whole set."""
        import evaluate

        assert self.argument
        try:
            metric = evaluate.load(self.argument)
        except Exception as error:  # the library raises whatever its downloads raise
            raise ConfigError(
                f"The metric '{self.argument}' cannot be loaded ({str(error).splitlines()[0]}): "
                "without a network, give a local script."
            ) from error
        found = metric.compute(predictions=list(predictions), references=_shape(metric, references))
        return Score(corpus=_numbers(self.argument, found or {}))


def _shape(metric: Any, references: Sequence[Sequence[str]]) -> list[Any]:
    """Lists of references where the metric takes them, else the first of each."""
    features = metric.features[0] if isinstance(metric.features, list) else metric.features
    many = not hasattr(features["references"], "dtype")
    return [list(r) for r in references] if many else [r[0] for r in references]


def _numbers(argument: str, found: dict[str, Any]) -> dict[str, float]:
    name = Path(argument).stem
    return {
        name if key == name else f"{name}.{key}": float(value)
        for key, value in found.items()
        if isinstance(value, int | float)
    }
