"""A metric: scores predictions against references in the worker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Score(BaseModel):
    """What one metric says. Every list under `examples` has a value per example, in order."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    examples: dict[str, list[float]] = {}
    """Figures that each example has; the report averages them and gives their spread."""
    corpus: dict[str, float] = {}
    """Figures that only the whole set has."""


def split(name: str) -> tuple[str, str | None]:
    """Id and argument of what `--metrics` names: `rouge`, or `evaluate:NAME`."""
    head, colon, argument = name.partition(":")
    return head, argument if colon else None


class Metric(ABC):
    """Base class of every metric. Created in the worker, once per cell."""

    id: ClassVar[str]
    """As typed after `--metrics`."""
    summary: ClassVar[str]
    """One line for `llmbench list metrics`."""

    def __init__(self, argument: str | None = None) -> None:
        """`argument` is what follows the colon in `--metrics id:argument`."""
        self.argument = argument

    @classmethod
    def check(cls, argument: str | None) -> str | None:
        """What is wrong with the argument, in a sentence; None where it will do. Parent."""
        if argument is not None:
            return f"'{cls.id}' takes no argument: write '{cls.id}'."
        return None

    @classmethod
    def remote_code(cls, argument: str | None) -> str | None:
        """Whose code would score, in words, if it comes from a hub; None where it is here. Parent.

        Such code runs only if the user allows it with --trust-remote-code.
        """
        return None

    @classmethod
    def local_code(cls, argument: str | None) -> str | None:
        """Which script here would score, in words, if the argument names one. Parent.

        Such code runs only if the metric is named on the command line.
        """
        return None

    @abstractmethod
    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """Score each prediction against its references (one list of texts per example). Worker."""
