"""Whose fault it was: what a plugin of another package raises becomes a sentence that names it.

Parent and workers call plugins through `blamed` alone. What llmbench's own plugins raise is left
as it is: it is a bug, and shows its traceback.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llmbench import plugin
from llmbench.errors import CellEnded, PluginError, Stop, UserError
from llmbench.plugin.catalogue import Plugin


class Amiss(PluginError):
    """A plugin returned what it must not."""


def of_kind(value: Any, kind: type, words: str) -> Any:
    """A plugin's answer, if it is of the kind; Amiss otherwise."""
    if not isinstance(value, kind):
        raise Amiss(f"it returned {type(value).__name__}, not {words}")
    return value


def sentence(value: Any) -> str | None:
    """A plugin's answer, if it is a sentence or None; Amiss otherwise."""
    return None if value is None else of_kind(value, str, "a sentence")


def wanted(method: Callable[..., Any], **offered: Any) -> dict[str, Any]:
    """Of the arguments offered, those that a plugin's method names: so a method can gain some."""
    try:
        named = inspect.signature(method).parameters
    except ValueError:  # of some of Python's own
        return {}
    return {name: offered[name] for name in named if name in offered}


@contextmanager
def blamed(kind: str, name: str, doing: str) -> Iterator[None]:
    """Turn what the block raises into a PluginError that names the plugin.

    User errors, `CellEnded` and Ctrl-C pass unchanged. A SystemExit or KeyboardInterrupt that the
    plugin raised itself does not.
    """
    try:
        yield
    except Amiss as error:
        raise failure(kind, name, doing, error) from None
    except (UserError, CellEnded, Stop):
        raise
    except BaseException as error:
        if ours(kind, name):
            raise
        raise failure(kind, name, doing, error) from error


def failure(kind: str, name: str, doing: str, error: BaseException) -> PluginError:
    """`The strategy 'mine' of my-package 1.0 failed in adjust (ValueError: no).`"""
    return PluginError(f"{who(kind, name)} failed in {doing} ({plugin.reason(error)}).")


def who(kind: str, name: str) -> str:
    """`The strategy 'mine' of my-package 1.0`."""
    registered = _plugin(kind, name)
    return (
        f"The {kind} '{name}' of {registered.distribution if registered else 'an unknown package'}"
    )


def ours(kind: str, name: str) -> bool:
    """Whether llmbench itself ships it."""
    registered = _plugin(kind, name)
    return registered is not None and registered.ours


def _plugin(kind: str, name: str) -> Plugin | None:
    catalogues = plugin.registry().catalogues().values()
    entry = next(c for c in catalogues if c.kind == kind).entries.get(name)
    return entry.source if entry else None
