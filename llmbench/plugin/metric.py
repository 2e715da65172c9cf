"""A metric: scores predictions against references, and declares what its scores mean."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from llmbench.errors import ConfigError
from llmbench.plugin.option import option_error, read_options
from llmbench.record.measure import Measure


class Score(BaseModel):
    """What one metric says. Every list under `examples` has a value per example, in order."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    examples: dict[str, list[float]] = {}
    """Figures that each example has; the report averages them and gives their spread."""
    corpus: dict[str, float] = {}
    """Figures that only the whole set has. With `examples` of the same name, which are then
    pseudo-values, the report can tell how sure it is, too: see `jackknife`."""


def jackknife(whole: float, without: Sequence[float]) -> list[float]:
    """Pseudo-values of a figure of the whole set (Tukey, 1958): a value for each example.

    `without` has the figure with each example left out. The pseudo-values' mean is the figure,
    corrected for bias, and their spread that of a mean.
    """
    count = len(without)
    return [count * whole - (count - 1) * rest for rest in without] if count > 1 else [whole]


class Metric(BaseModel, ABC):
    """Base class of every metric. Its fields are its options: `rouge(tokenizer=character)`.

    The parent asks what it declares; the worker, or `llmbench score`, has it score. A module that
    defines a metric imports heavy libraries inside `score` only.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", allow_inf_nan=False)

    id: ClassVar[str]
    """As typed after `--metrics`."""
    summary: ClassVar[str]
    """One line for `llmbench list metrics`."""
    modules: ClassVar[tuple[str, ...]] = ()
    """What it imports to score. A worker imports them before any memory is measured."""

    argument: str | None = None
    """What follows the colon in `--metrics id:argument`."""

    def __init__(self, argument: str | None = None, **options: Any) -> None:
        super().__init__(argument=argument, **options)

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

    def measures(self) -> Sequence[Measure]:
        """Its scores and what they mean, the one that stands for quality first. Parent and worker.

        A score that is not declared is shown as a bare number, and ranks nothing.
        """
        return ()

    @abstractmethod
    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """Score each prediction against its references (one list of texts per example). Worker."""


class Subject(ABC):
    """The trained model and the evaluated examples, as a metric may ask about them."""

    model: Any
    """The model, in evaluation mode; torch is at hand."""
    tokenizer: Any
    inputs: Sequence[str]
    """What each example asks, as `Example.content` has it: without the task's words around it."""
    predictions: Sequence[str]
    """Empty texts of a model that writes none."""
    references: Sequence[Sequence[str]]
    rejected: Sequence[Sequence[str]]
    """The answers that are worse than an example's first reference, where its data have such."""
    choices: Sequence[str] = ()
    """All answers that the task has, where it knows them."""

    @abstractmethod
    def losses(self, answers: Sequence[str]) -> list[tuple[float, int]]:
        """Of one answer per example, given its prompt: summed cross entropy in nats, and tokens.

        The token that ends an answer counts as well.
        """

    @abstractmethod
    def base(self) -> AbstractContextManager[Subject]:
        """The same with the model as it was loaded, before strategies made it ready; then gone.

        It is loaded once more, beside the trained one, and no part of the cell's memory.
        """


class ModelMetric(Metric):
    """A metric that looks at the model, and so cannot be computed again from kept predictions."""

    @abstractmethod
    def look(self, subject: Subject) -> Score:
        """Score with the model at hand. Worker."""

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """Texts alone are not enough."""
        raise ConfigError(
            f"'{self.id}' looks at the model, which is gone: name it in --metrics of "
            "'llmbench compare' instead."
        )


@dataclass(frozen=True)
class Named:
    """What `--metrics` names: `rouge`, `rouge(tokenizer=character)` or `evaluate:NAME`."""

    text: str
    id: str
    argument: str | None = None
    options: str = ""

    @classmethod
    def read(cls, text: str) -> Named:
        """Take the text apart; nobody has to know of such a metric."""
        found = NAME.fullmatch(text.strip())
        if not found:
            return cls(text, text)
        return cls(text, found["id"], found["argument"], found["options"] or "")

    def make(self, kind: type[Metric]) -> Metric:
        """The metric of that class with its options; ConfigError where one of them is wrong."""
        given = read_options(self.id, self.options, kept="argument")
        try:
            return kind(self.argument, **given)
        except ValidationError as error:
            raise ConfigError(option_error(kind, error, kept="argument")) from None


NAME = re.compile(
    r"(?P<id>[^:()]+)(?::(?P<argument>.*?))?(?:\((?P<options>\w+\s*=[^()]*)\))?", re.DOTALL
)
