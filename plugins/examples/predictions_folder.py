"""An exporter that writes a folder: the predictions of every run in a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llmbench import hookimpl
from llmbench.plugin.exporter import Exporter
from llmbench.record.comparison import Comparison

LLMBENCH_HOOKS = 1


def predictions(comparison: Comparison) -> Mapping[str, str]:
    """A text for each run that predicted something: an example's id, and what was written."""
    return {
        f"{record.cell.id}.tsv": "".join(
            f"{example.id}\t{' '.join(example.prediction.split())}\n" for example in record.examples
        )
        for record in comparison.reported.planned
        if record.examples
    }


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Offer `predictions`."""
    summary = "a folder with the predictions of every run"
    register(Exporter("predictions", summary, "predictions", predictions, printed=False))
