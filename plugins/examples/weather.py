"""Classification by likelihood: rows of any fields, and the label that is likeliest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llmbench import hookimpl
from llmbench.plugin.task import Example, Task

LLMBENCH_HOOKS = 1
LABELS = ("cold", "mild", "hot")


class Weather(Task):
    """Reads `{"city": "Bergen", "degrees": -3}`, and works out what is right."""

    def read(self, row: Mapping[str, Any]) -> Example:
        """The question, and its label."""
        try:
            city, degrees = str(row["city"]), float(row["degrees"])
        except (KeyError, TypeError, ValueError):
            raise ValueError("A row needs a city, and its degrees as a number.") from None
        label = LABELS[(degrees > 5) + (degrees > 25)]
        said = f"In {city} it is {degrees:g} degrees."
        return Example(id="", input=said, references=(label,), before="", after=" It is")


WEATHER = Weather(
    id="weather",
    summary="degrees to cold, mild or hot",
    template="{input} It is",
    metrics=("label-likelihood",),
)


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    """Offer `weather`."""
    register(WEATHER)
