"""Any method of peft as a strategy: `peft(method=hra,r=8)`, and the base of those with a name."""

from __future__ import annotations

import ast
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings


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

    def options(self) -> dict[str, Any]:
        """What the method's configuration is made of: by default the fields of the strategy."""
        return self.model_dump(exclude={"learning_rate_factor"})

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model and add what the method trains."""
        from peft import get_peft_model

        config = configuration(self.peft_type, self.options())
        try:
            # The harness gives trained weights their type, the same in all cells.
            return get_peft_model(model, config, autocast_adapter_dtype=False)
        except ValueError as error:  # no such modules, or weights that it cannot be put on
            raise CannotRun(f"peft cannot put {self.id} on this model: {error}") from error


def configuration(method: str, options: dict[str, Any]) -> Any:
    """The method's configuration in peft. Raises CannotRun for a method or option that is none."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as KINDS

    kinds = {kind.value.lower(): made for kind, made in KINDS.items()}
    if method not in kinds:
        raise CannotRun(f"The installed peft has no '{method}': it has {', '.join(sorted(kinds))}.")
    kind = kinds[method]
    strange = options.keys() - kind.__dataclass_fields__.keys()
    if strange:
        raise CannotRun(
            f"peft's {method} has no option '{sorted(strange)[0]}': "
            f"it has {', '.join(sorted(kind.__dataclass_fields__))}."
        )
    try:
        return kind(task_type="CAUSAL_LM", **options)
    except (TypeError, ValueError) as error:
        raise CannotRun(f"peft's {method} cannot be made so: {error}") from error


class Peft(PeftMethod):
    """Whatever the installed peft offers, by its name there, with options by their names there.

    Options are read as Python writes them (`8`, `0.5`, `true`); modules are joined with '|'. They
    go to peft as they are, which the cell's worker finds out: a wrong one has the cell skipped.
    """

    model_config = ConfigDict(extra="allow")

    id = "peft"
    summary = "any method of the installed peft: peft(method=hra,r=8)"

    method: str = Field(description="The method, as in peft's list of types.")

    def options(self) -> dict[str, Any]:
        """The further options, read."""
        given = {name: read(value) for name, value in (self.model_extra or {}).items()}
        kinds = _fields(self.method)
        if "target_modules" in kinds and "target_modules" not in given:
            given["target_modules"] = "all-linear"
        return given

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model and add what the method trains."""
        from peft import get_peft_model

        config = configuration(self.method.lower(), self.options())
        try:
            return get_peft_model(model, config, autocast_adapter_dtype=False)
        except (TypeError, ValueError) as error:
            raise CannotRun(f"peft cannot put {self.method} on this model: {error}") from error


def _fields(method: str) -> frozenset[str]:
    return frozenset(type(configuration(method.lower(), {})).__dataclass_fields__)


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
