"""The task that `--task` names, with its options: `translation(source=en,target=de)`."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import ClassVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from llmbench import plugin
from llmbench.errors import ConfigError, message
from llmbench.plugin.blame import blamed
from llmbench.plugin.metric import Named
from llmbench.plugin.option import option_error, read_options
from llmbench.plugin.task import Task

OWN = frozenset(f.name for f in fields(Task))
"""What every task declares: whatever a class of tasks adds to it is an option."""


class Options(BaseModel):
    """The options of one task, as they may be typed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: ClassVar[str]


def task(text: str) -> Task:
    """The task that `--task` names so; ConfigError where it is unknown, or cannot be."""
    asked, tasks = Named.read(text), plugin.registry().tasks
    if asked.argument is not None:
        raise ConfigError(f"'{asked.id}' takes no argument: write its options in brackets.")
    found = tasks.get(tasks.spelled(asked.id))
    given = read_options(found.id, asked.options)
    with blamed("task", found.id, "reading its options"):
        kind = options(found)
        try:
            return replace(found, **dict(kind.model_validate(given)))
        except ValidationError as error:
            raise ConfigError(option_error(kind, error)) from None
        except ValueError as error:  # of two options that do not go together
            raise ConfigError(f"'{text}' cannot be: {message(error)}") from None


def options(of: Task) -> type[Options]:
    """A model of its options, whose defaults are what it has been registered with."""
    types = get_type_hints(type(of), include_extras=True)
    own = {f.name: (types[f.name], getattr(of, f.name)) for f in fields(of) if f.name not in OWN}
    made: type[Options] = create_model(of.id, __base__=Options, **own)  # type: ignore[call-overload]
    made.id = of.id
    return made


def spelled(text: str) -> str:
    """The canonical spelling: options that differ from the defaults, in the order of their class.

    Records have it, so that however a task is typed, it is the same one.
    """
    asked = task(text)
    plain = plugin.registry().tasks.get(asked.id)
    changed = [
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name in options(plain).model_fields
        if (value := getattr(asked, name)) != getattr(plain, name)
    ]
    return f"{asked.id}({','.join(changed)})" if changed else asked.id
