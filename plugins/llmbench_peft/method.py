"""Any method of peft as a strategy: `peft(method=hra,r=8)`, and the base of those with a name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings
from llmbench_strategies.adapter import adapted


class PeftMethod(Strategy):
    """Base of the strategies that freeze the model and have peft add what trains.

    A subclass names the method and says which of its own fields, or constants, the method's
    configuration takes.
    """

    group = "adaptation"
    in_all = False
    peft_type: ClassVar[str]
    """As in `peft.PeftType`, in lower case."""

    learning_rate_factor: float = Field(
        10.0, gt=0, description="Learning rate as a multiple of full fine-tuning's."
    )

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the higher learning rate."""
        rate = settings.learning_rate * self.learning_rate_factor
        return settings.model_copy(update={"learning_rate": rate})

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """What the method's configuration is made of: by default the fields of the strategy."""
        return self.model_dump(exclude={"learning_rate_factor"})

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model and add what the method trains."""
        return add(model, self.id, self.peft_type, self.options(model, settings))


def add(model: Any, name: str, method: str, options: dict[str, Any]) -> Any:
    """The model, frozen, with what the method trains; CannotRun where that cannot be."""
    kind = configuration(method)
    strange = options.keys() - kind.__dataclass_fields__.keys()
    if strange:
        raise CannotRun(
            f"peft's {method} has no option '{sorted(strange)[0]}': "
            f"it has {', '.join(sorted(kind.__dataclass_fields__))}."
        )
    with unless_refused(name):
        return adapted(model, kind, **options)


def configuration(method: str) -> Any:
    """The class of a method's configuration in peft; CannotRun for a method that is none."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as KINDS

    kinds = {kind.value.lower(): made for kind, made in KINDS.items()}
    if method not in kinds:
        raise CannotRun(f"The installed peft has no '{method}': it has {', '.join(sorted(kinds))}.")
    return kinds[method]


@contextmanager
def unless_refused(name: str, way_out: str = "") -> Iterator[None]:
    """Have peft's refusals skip the cell: of options, of modules, of weights it cannot go on.

    An attribute that is missing is one that peft expects of a plain layer: experts have none.
    """
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        said = str(error).rstrip(".")
        raise CannotRun(f"peft cannot put {name} on this model: {said}{way_out}.") from error


class Peft(PeftMethod):
    """Whatever the installed peft offers, by its name there, with options by their names there.

    Options are read as Python writes them (`8`, `0.5`, `true`); modules are joined with '|'. They
    go to peft as they are, which the cell's worker finds out: a wrong one has the cell skipped.
    """

    model_config = ConfigDict(extra="allow")

    id = "peft"
    summary = "any method of the installed peft: peft(method=hra,r=8)"

    method: str = Field(description="The method, as in peft's list of types.", examples=["hra"])

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model and add what the method trains, on all linear layers unless told."""
        method = self.method.lower()
        options = {name: read(value) for name, value in (self.model_extra or {}).items()}
        if "target_modules" in configuration(method).__dataclass_fields__:
            options.setdefault("target_modules", "all-linear")
        return add(model, method, method, options)


def read(text: Any) -> Any:
    """An option as a value: `8`, `0.5`, `true`, `q_proj|v_proj`, or the text itself."""
    if not isinstance(text, str):
        return text
    if "|" in text:
        return text.split("|")
    try:
        return ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text, text))
    except (SyntaxError, ValueError):
        return text
