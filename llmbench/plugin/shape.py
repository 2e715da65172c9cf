"""Whether what a plugin registers is what its kind must be, checked before anybody uses it."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import click
import pluggy
from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from llmbench import redact
from llmbench.errors import PluginError, message, wrong
from llmbench.plugin.command import RESERVED, Command
from llmbench.plugin.exporter import Exporter
from llmbench.plugin.launcher import Launcher
from llmbench.plugin.listener import Listener
from llmbench.plugin.metric import Metric
from llmbench.plugin.model import Model
from llmbench.plugin.probe import Probe
from llmbench.plugin.section import Section
from llmbench.plugin.strategy import Strategy
from llmbench.plugin.task import Task
from llmbench.process import quiet
from llmbench.record.settings import Settings

KINDS: dict[str, type] = {
    "register_strategies": Strategy,
    "register_models": Model,
    "register_tasks": Task,
    "register_metrics": Metric,
    "register_probes": Probe,
    "register_launchers": Launcher,
    "register_exporters": Exporter,
    "register_listeners": Listener,
    "register_sections": Section,
    "register_commands": Command,
}
"""Hook to what is registered through it."""
CLASSES: frozenset[type] = frozenset({Strategy, Metric, Probe, Launcher, Listener})
"""Kinds that are registered as classes; the others are registered as instances."""
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Ids can be used in compositions, in lists with commas, and in file names."""
FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
"""File names that every file system takes; a leading dot is reserved for llmbench."""
TAKEN = frozenset({"all", "auto"})
"""Reserved words, which cannot be ids."""
DECLARED: dict[type, dict[str, Any]] = {
    Strategy: {
        "group": str,
        "also_claims": Set,
        "stands_on": str,
        "bundle": tuple,
        "in_all": bool,
        "saves_memory": str,
        "packages": tuple,
        "packed_later": str,
        "objective": str,
        "trains": bool,
        "keeps_copies": bool,
    },
    Model: {
        "hub_id": str | None,
        "folder": Path | None,
        "config": Path | None,
        "defaults": Mapping,
    },
    Task: {
        "template": str,
        "input_fields": tuple,
        "target_fields": tuple,
        "metrics": tuple,
        "stop": tuple,
        "defaults": Mapping,
        "extracts": bool,
        "formats": tuple,
        "running_text": bool,
        "train_file": Path | None,
        "eval_file": Path | None,
    },
    Launcher: {"automatic": int | None},
    Section: {"title": str, "content": Callable},
    Command: {"command": click.Command},
    Exporter: {"filename": str, "render": Callable, "always": bool, "printed": bool},
}
"""What each kind declares beyond id and summary, and of which type."""
SAVINGS = ("", "weights", "activations")
"""What a strategy may say that it has take less memory."""
LISTS = (tuple, Set)
"""Declared collections, which may hold strings only."""
MOST = 80
"""Longest repr that a message shows, in characters."""


def checked(item: Any, kind: type) -> str:
    """Check an item and return its id. Raises PluginError, which says what is wrong."""
    if not _fits(item, kind) or not isinstance(getattr(item, "id", None), str):
        raise PluginError(f"it registers {_shown(item)}, which is no {kind.__name__} with an id")
    name = str(item.id)
    if not ID.fullmatch(name) or name in TAKEN:
        raise PluginError(
            f"it registers the id {_shown(name)}, which cannot be: "
            "letters, digits, '-', '_' and '.' make one"
        )
    for attribute, wanted in {"summary": str, **DECLARED.get(kind, {})}.items():
        value = getattr(item, attribute, None)
        if not isinstance(value, wanted) or (wanted in LISTS and not _words(value)):
            raise PluginError(f"it registers '{name}', whose {attribute} cannot be {_shown(value)}")
    if kind in FURTHER:
        FURTHER[kind](item)
    return name


def _strategy(item: type[Strategy]) -> None:
    if item.saves_memory not in SAVINGS:
        raise PluginError(
            f"it registers '{item.id}', whose saves_memory cannot be "
            f"{_shown(item.saves_memory)}: 'weights' and 'activations' can be"
        )
    for name, option in item.model_fields.items():
        default = None if option.is_required() else option.get_default()
        try:
            json.dumps(to_jsonable_python(default), allow_nan=False)
        except (TypeError, ValueError):  # and what pydantic raises is a ValueError
            raise PluginError(
                f"it registers '{item.id}', whose option '{name}' cannot be {_shown(default)} "
                "by default: no record could keep that"
            ) from None


def _defaults(item: Model | Task) -> None:
    kind = "task" if isinstance(item, Task) else "model"
    strange = [name for name in item.defaults if name not in Settings.model_fields]
    if strange:
        raise PluginError(
            f"it registers '{item.id}', whose defaults name {_shown(strange[0])}: "
            f"a {kind} may have defaults of settings of training and "
            "evaluation alone"
        )
    try:
        Settings.model_validate(dict(item.defaults))
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise PluginError(
            f"it registers '{item.id}', whose default of '{name}' "
            f"cannot be {_shown(item.defaults[str(name)])}"
        ) from None


def _task(item: Task) -> None:
    """A prompt without what is asked would be the same for every example."""
    _defaults(item)
    if type(item).read is not Task.read:
        return
    if not item.places:
        raise PluginError(
            f"it registers '{item.id}', whose template has no place for an input: "
            "write {input} where it is to stand, or the names of fields in braces, which are "
            "letters, digits and _; a task's own read(row) takes fields of other names"
        )
    twice = [place for place in item.places if item.template.count(f"{{{place}}}") > 1]
    if twice:
        raise PluginError(
            f"it registers '{item.id}', whose template names {{{twice[0]}}} twice: name it once"
        )


def _exporter(item: Exporter) -> None:
    if not FILENAME.fullmatch(item.filename):
        raise PluginError(
            f"it registers '{item.id}', whose filename cannot be {_shown(item.filename)}: "
            "letters, digits, '-', '_' and '.', at most 100 of them, make one"
        )


def _command(item: Command) -> None:
    if item.id in RESERVED:
        raise PluginError(f"it registers the command '{item.id}', which is llmbench's")


FURTHER: dict[type, Callable[[Any], None]] = {
    Strategy: _strategy,
    Model: _defaults,
    Task: _task,
    Exporter: _exporter,
    Command: _command,
}
"""What there is to check beyond the types of what is declared; each raises PluginError."""


def _words(values: Iterable[Any]) -> bool:
    return all(isinstance(one, str) for one in values)


def _fits(item: Any, kind: type) -> bool:
    if isinstance(item, type):
        return kind in CLASSES and issubclass(item, kind) and not inspect.isabstract(item)
    return kind not in CLASSES and isinstance(item, kind)


def _shown(item: Any) -> str:
    text = " ".join(repr(item).split())
    return text if len(text) <= MOST else f"{text[:MOST]}…"


def _invalid(model: str, details: Mapping[str, Any]) -> str:
    """Which field of one of llmbench's models a plugin gave what cannot be, and what can."""
    where = ".".join(str(part) for part in details["loc"])
    if details["type"] == "missing":
        return f"{model} needs '{where}'"
    if details["type"] == "extra_forbidden":
        return f"{model} has no '{where}'"
    what = f"{model}'s {where}" if where else model
    return f"{what} cannot be {_shown(details['input'])}: {wrong(details)}"


def reason(error: BaseException) -> str:
    """What a plugin did wrong, in one line."""
    lines = [line.strip() for line in message(error).splitlines() if line.strip()]
    if isinstance(error, pluggy.PluginValidationError) and lines:
        # Of several lines the last says what is wrong, and then in which file.
        sentence = redact.text(lines[-1].partition(" in plugin ")[0])
        return f"{sentence}: it may be made for another version of llmbench"
    if isinstance(error, ValidationError):  # whose first line says only how many there are
        return redact.text(_invalid(error.title, error.errors()[0])).rstrip(".")
    name = "" if isinstance(error, PluginError) else type(error).__name__
    return redact.text(": ".join(filter(None, [name, *lines[:1]]))).rstrip(".")


HANDLED = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Leave standard output, working directory and signal handlers as the block found them."""
    with quiet(), _same_directory(), _same_handlers():
        yield


@contextlib.contextmanager
def _same_directory() -> Iterator[None]:
    try:
        directory = os.getcwd()
    except OSError:  # it was removed
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(directory)


@contextlib.contextmanager
def _same_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in HANDLED}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it is not Python's to restore
                signal.signal(number, handler)
