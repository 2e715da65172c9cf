"""Any metric of the `evaluate` library, from the hub or from a local script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmbench.errors import ConfigError
from llmbench.plugin.metric import Metric, Score
from llmbench.record.measure import Better, Measure
from llmbench.source import model


class Evaluate(Metric):
    """`evaluate:NAME`, or `evaluate:./my_metric.py` for a script of one's own.

    A name means a script on the hub, which runs only where --trust-remote-code allows it. The
    library says of no metric which way is better: `evaluate:NAME(better=higher)` says so, and then
    the figure of that name ranks.
    """

    id = "evaluate"
    summary = "evaluate:./script.py, or any metric of the hub with --trust-remote-code"

    better: Better = "neither"

    def measures(self) -> Sequence[Measure]:
        """The figure that is called as the metric is; others are known once it has scored."""
        name = Path(self.argument or "").stem
        return [
            Measure(id=name, label=name, better=self.better, unit="number", least=None, most=None)
        ]

    @classmethod
    def check(cls, argument: str | None) -> str | None:
        """A name must be there; a script must exist."""
        if not argument:
            return "'evaluate' needs a metric: write evaluate:NAME, or evaluate:path/to/script.py."
        if argument.endswith(".py") and not _is_file(argument):
            return f"There is no metric script '{argument}': check the path."
        return None

    @classmethod
    def remote_code(cls, argument: str | None) -> str | None:
        """A name is a script of the hub; only a path to a file is one of the user's own."""
        if argument and argument.endswith(".py"):
            return None
        return f"the hub's evaluate-metric/{argument}"

    @classmethod
    def local_code(cls, argument: str | None) -> str | None:
        """A path to a file is a script that runs as it is."""
        return f"the script {argument}" if argument and argument.endswith(".py") else None

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """The figures that the metric gives for the whole set."""
        import evaluate

        assert self.argument
        try:
            metric = evaluate.load(_location(self.argument))
        except Exception as error:  # the library raises whatever its downloads raise
            raise ConfigError(
                f"The metric '{self.argument}' cannot be loaded ({str(error).splitlines()[0]}): "
                "without a network, give a local script."
            ) from error
        results = metric.compute(
            predictions=list(predictions), references=_shape(metric, references)
        )
        return Score(corpus=_numbers(self.argument, results or {}))


def _is_file(argument: str) -> bool:
    path = model.path_of(argument)
    return path is not None and path.is_file()


def _location(argument: str) -> str:
    """A script's whole path: the library would look for a bare name on the hub too."""
    return str(Path(argument).expanduser().resolve()) if argument.endswith(".py") else argument


def _shape(metric: Any, references: Sequence[Sequence[str]]) -> list[Any]:
    """Lists of references where the metric takes them, else the first of each."""
    features = metric.features[0] if isinstance(metric.features, list) else metric.features
    many = not hasattr(features["references"], "dtype")
    return [list(r) for r in references] if many else [r[0] for r in references]


def _numbers(argument: str, results: dict[str, Any]) -> dict[str, float]:
    name = Path(argument).stem
    return {
        name if key == name else f"{name}.{key}": float(value)
        for key, value in results.items()
        if isinstance(value, int | float)
    }
